# A dump beside the older ones, in $FOLDER, of which the last $KEPT stay.
set -eu
umask 077
cd "$FOLDER"
rm -f ./*.part
name="$PGDATABASE-$(date -u +%Y%m%dT%H%M%SZ).dump"
pg_dump --format=custom --file="$name.part"
mv "$name.part" "$name"
ls -1r "$PGDATABASE"-*.dump | tail -n "+$((KEPT + 1))" | xargs -r rm --
