# A dump beside the older ones, in $FOLDER: the last $KEPT, or as many as there is room for, and never fewer than $LEAST.
set -eu
umask 077
cd "$FOLDER"
# A run that was killed leaves one.
rm -f ./*.part
dumps() { find . -maxdepth 1 -name "$PGDATABASE-*.dump" | sort; }
newest=$(dumps | tail -n 1 | xargs -r du -k | cut -f 1)
# Twice the newest: they grow.
no_room() {
    [ "$(dumps | wc -l)" -ge "$KEPT" ] || [ "$(df -k --output=avail . | tail -n 1)" -lt "$((2 * ${newest:-0}))" ]
}
# Before the dump: a full volume would never take one again.
while [ "$(dumps | wc -l)" -gt "$LEAST" ] && no_room; do
    rm -- "$(dumps | head -n 1)"
done
name="$PGDATABASE-$(date -u +%Y%m%dT%H%M%SZ).dump"
pg_dump --format=custom --file="$name.part"
mv "$name.part" "$name"
