# shellcheck shell=bash disable=SC2034,SC2154 # who sources this says where, and needs the secret
# Objects by rclone, with credentials that may put, read and list there, and not remove. Who has sourced this has told rclone of the
# store `store` by its environment, where alone the secret is, and says in `folder` where backups lie in it.
secret=$(cat "/etc/site-backup/secrets/$(at secret)" 2>/dev/null) || { echo "its secret $(at secret) is not on this server"; exit 1; }
[[ $secret != *[[:cntrl:]]* ]] || { echo "its secret $(at secret) has a line break, or another control character, in it"; exit 1; }

objects=(rclone --config= --contimeout=30s --timeout=2m --low-level-retries=3 --retries-sleep=5s)

explained() { # explained COMMAND…: says why rclone failed, and never the secret
  local said
  said=$("$@" 2>&1 >/dev/null) && return
  said=${said//"$secret"/[masked]}
  # Without its clock, or what it says to a journal. What comes from a store may be a page, and one line of it tells; of a connection that
  # failed, to Azure, the last.
  {
    grep '^given up after ' <<<"$said" || grep -oP '^( *RESPONSE Status|caused by): \K.*' <<<"$said" ||
      { grep -qF pipeline.NewError <<<"$said" && grep . <<<"$said"; } || grep -oP '^(\d{4}/\S+ \S+ |<\d>)([A-Z]+ *: )?\K.*' <<<"$said" || echo "${said:-it did not answer}"
  } | tail -n 1 | tr -cd '[:print:]\n' | sed -E 's/sig=[^&" ]*/sig=[masked]/g' | cut -c1-300
  exit 1
}

# Credentials that open nothing are told from those that do by a listing of what is not there: nothing that is put can be taken back.
takes() { explained timeout 25 "${objects[@]}" lsf --max-depth=1 --retries=1 "$folder/nothing"; }

put_object() { # put_object POINT FILE BYTES SHA256 [OPTION…]: rclone compares its length there; its bytes are for whoever verifies it
  explained bounded "$3" "${objects[@]}" copyto --no-check-dest --ignore-checksum "${@:5}" "$2" "$folder/$1/$2"
}
