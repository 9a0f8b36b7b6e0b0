# The variables of a site's environment file, in order: {name, value} each, as dotenv reads them. The file is read and never
# executed: `export $(cat .env)` breaks on spaces and runs what it finds. What white space is, PHP says: of ASCII alone.
def variables:
  sub("^\ufeff"; "")
  | gsub("\r\n?"; "\n")
  | split("\n")[]
  | capture("^[ \\t\\x0b]*(export[ \\t\\x0b\\f]+)?(?<name>[A-Za-z_][A-Za-z0-9_]*)[ \\t\\x0b\\f]*=[ \\t\\x0b\\f]*(?<rest>.*)$")
  | {
      name,
      value: (
        .rest
        | if startswith("\"") then
            (capture("^\"(?<text>(\\\\.|[^\"\\\\])*)\"") // {text: .[1:]}).text
            | gsub("\\\\(?<character>.)"; if .character == "n" then "\n" elif .character == "r" then "\r" elif [.character] | inside(["\\", "\"", "$"]) then .character else "\\\(.character)" end)
          elif startswith("'") then (capture("^'(?<text>[^']*)'") // {text: .[1:]}).text
          else sub("(^|[ \\t\\x0b\\f])#.*$"; "") | sub("[ \\t\\x0b]+$"; "")
          end
      )
    };
