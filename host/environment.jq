# The variables of a site's environment file, in order: {name, value} each, as dotenv reads them. The file is read and never
# executed: `export $(cat .env)` breaks on spaces and runs what it finds.
def variables:
  split("\n")[]
  | capture("^\\s*(export\\s+)?(?<name>[A-Za-z_][A-Za-z0-9_]*)\\s*=\\s*(?<rest>.*)$")
  | {
      name,
      value: (
        .rest
        | if startswith("\"") then
            (capture("^\"(?<text>(\\\\.|[^\"\\\\])*)\"") // {text: .[1:]}).text
            | gsub("\\\\(?<character>.)"; if .character == "n" then "\n" elif .character == "r" then "\r" elif .character == "t" then "\t" else .character end)
          elif startswith("'") then (capture("^'(?<text>[^']*)'") // {text: .[1:]}).text
          else sub("(^|\\s+)#.*$"; "") | sub("\\s+$"; "")
          end
      )
    };
