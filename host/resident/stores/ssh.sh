# shellcheck shell=bash disable=SC2034,SC2154 # send asks
# A server of one's own: the forced command `receive` takes what this server's key brings.
way=(ssh -F /dev/null -i /etc/site-backup/key -p "$(at port)" -l "$(at user)" -o IdentitiesOnly=yes -o BatchMode=yes -o ConnectTimeout=30
  -o ServerAliveInterval=15 -o ServerAliveCountMax=4 -o StrictHostKeyChecking=yes -o HostKeyAlias="$name" -o LogLevel=ERROR
  -o UserKnownHostsFile=/etc/site-backup/known_hosts -o GlobalKnownHostsFile=/dev/null "$(at host)")

takes() {
  local said
  said=$(timeout 30 "${way[0]}" -o ConnectTimeout=10 "${way[@]:1}" nothing </dev/null 2>&1) || true
  # What is not the name of a file of a restore point, it refuses.
  [[ $said == 'refused: '* ]] || { head -c 200 <<<"${said:-it said nothing}" | tr -cd '[:print:]\n'; exit 1; }
}

put() { # put POINT FILE BYTES SHA256: it must answer with that hash
  local answer
  # At this level ssh says, too, that a server answers no more.
  answer=$(bounded "$3" "${way[0]}" -o LogLevel=INFO "${way[@]:1}" "$1/$2 $3 $4" <"$2")
  [[ $answer == "received $4" ]] || { echo "it answered: $(head -c 200 <<<"$answer" | tr -cd '[:print:]')"; exit 1; }
}
