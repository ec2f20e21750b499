# The newest dump in $FOLDER, restored into a server of its own below $SCRATCH, which goes with the pod.
set -eu
newest=$(ls -1r "$FOLDER/$PGDATABASE"-*.dump | head -n 1)
[ -n "$newest" ]
# If it is older than two days, the nightly dumps have stopped.
[ -n "$(find "$newest" -mmin -2880)" ] || { echo "$newest is the newest dump, and older than two days" >&2; exit 1; }
export PGDATA="$SCRATCH/data" PGHOST="$SCRATCH"
initdb --username="$PGUSER" --auth=trust --no-sync >"$SCRATCH/initdb.log"
pg_ctl start --wait --silent --log="$SCRATCH/server.log" \
    --options="-c listen_addresses= -c unix_socket_directories=$SCRATCH -c fsync=off"
createdb --maintenance-db=postgres "$PGDATABASE"
pg_restore --exit-on-error --no-owner --no-privileges --dbname="$PGDATABASE" "$newest"
tables=$(psql --no-align --tuples-only --command="SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
pg_ctl stop --wait --silent --mode=fast
echo "$newest: $tables tables"
[ "$tables" -gt 0 ]
