# Which points are to be read, the first one first: {now, points: [{id, manifest}], read: {ID: {at}}} to [ids]. The newest of those that
# nobody has read, then those that were read longest ago, a week or more. What was read at a time that is yet to come was not.
. as $in
| [$in.points[] | select((.manifest | type) == "object" and (.manifest.members | type) == "array") | {id, made: (.id | split("/")[1]), read: ($in.read[.id].at | if . != null and . > $in.now + 3600 then null else . end)}]
| ([.[] | select(.read == null)] | sort_by(.made) | reverse) + ([.[] | select(.read != null and $in.now - .read >= 7 * 86400)] | sort_by(.read))
| map(.id)
