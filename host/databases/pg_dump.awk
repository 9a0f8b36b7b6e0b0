# The SQL that pg_dump wrote, as it is loaded. Only its beginning and its end are touched, where every line is a statement or a
# comment: from the first line that could begin something longer, lines are data (`\.`, `\N`, a text that looks like a command).
# Removed are messages of pg_dump that were written into the file, its own \restrict pair, since psql is restricted by a key of
# ours, and statements that only a superuser may do and that change nothing. An empty line takes the place of each.
#
#   -v messages=FILE    takes the messages that were removed
#   -v extensions=LIST  extensions that a superuser made: " one two "
#
# Exit code 3: the dump is cut short.
BEGIN { beginning = 1; held = 0; complete = 0 }

beginning && /^pg_dump: / { print >messages; print ""; next }
beginning && /^\\restrict [A-Za-z0-9]+$/ && key == "" { key = $2; print ""; next }
beginning && /^COMMENT ON EXTENSION [a-z][a-z0-9_]* IS '.*';$/ && index(extensions, " " $4 " ") { print ""; next }
# pg_dump writes it where the schema still belongs to whoever made the server.
beginning && /^ALTER SCHEMA public OWNER TO postgres;$/ { print ""; next }
beginning && !/^(--.*|SET [a-z_]+ = [^;]*;|SELECT pg_catalog\.set_config\('search_path', '', false\);|CREATE (EXTENSION|SCHEMA) [^;]*;|ALTER SCHEMA [^;]*;|COMMENT ON (EXTENSION|SCHEMA) [a-z][a-z0-9_]* IS '.*';)?$/ { beginning = 0 }

$0 == "-- PostgreSQL database dump complete" { complete = 1 }

# With `pg_dump --verbose 2>&1` messages follow the end. Whether this is the end is known once nothing else comes.
/^pg_dump: / || (key != "" && $0 == "\\unrestrict " key) || (held && $0 == "") { end[held++] = $0; next }
{
  for (i = 0; i < held; i++) print end[i]
  if (held) { held = 0 }
  if ($0 != "" && $0 !~ /^--/) complete = 0
  print
}
END {
  for (i = 0; i < held; i++) if (end[i] ~ /^pg_dump: /) print end[i] >messages
  if (!complete) exit 3
}
