# shellcheck shell=bash disable=SC2034,SC2154
# pebble: Debian's small ACME authority, on this machine's loopback alone. A drill gets its certificate the way the real site
# does, from an authority that nobody trusts.
pebble_directory=https://127.0.0.1:14000/dir
pebble_ca=$state/pebble/server.pem

start_pebble() { # start_pebble NAME…: the names resolve to this machine
  mkdir -p "$state/pebble"
  for name in "$@"; do grep -qF " $name" /etc/hosts || printf '127.0.0.1 %s\n' "$name" >>/etc/hosts; done
  if ! systemctl is-active --quiet drill-pebble; then
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /CN=pebble \
      -addext subjectAltName=IP:127.0.0.1 -keyout "$state/pebble/server.key" -out "$pebble_ca" 2>&1
    cat >"$state/pebble/config.json" <<JSON
{"pebble": {"listenAddress": "127.0.0.1:14000", "managementListenAddress": "127.0.0.1:15000", "certificate": "$pebble_ca",
  "privateKey": "$state/pebble/server.key", "httpPort": 80, "tlsPort": 443, "ocspResponderURL": "", "externalAccountBindingRequired": false}}
JSON
    systemd-run --quiet --collect --unit=drill-pebble --setenv=PEBBLE_VA_NOSLEEP=1 --setenv=PEBBLE_WFE_NONCEREJECT=0 \
      pebble -config "$state/pebble/config.json"
  fi
  local deadline=$((SECONDS + 20)) # curl's own --retry waits a whole second
  until curl --silent --fail --max-time 5 --output /dev/null --cacert "$pebble_ca" --noproxy '*' "$pebble_directory"; do
    ((SECONDS < deadline)) ||
      fail "pebble does not answer" "$(journalctl -q -n 1 -o cat -u drill-pebble)" "on the host: journalctl -u drill-pebble"
    sleep 0.05
  done
}

fetch_pebble_root() { curl --silent --show-error --fail --cacert "$pebble_ca" --noproxy '*' --output "$1" https://127.0.0.1:15000/roots/0; }
