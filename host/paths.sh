# shellcheck shell=bash disable=SC2034
# Where a recovery keeps its things on the host.
state=/var/lib/recovery       # survives a reboot
ledger=$state/ledger          # which step is done, for which triggers
history=$state/history.jsonl  # every attempt at a step, in order
logs=$state/logs              # what each step printed, masked
fetched=$state/fetched        # files taken from the store, named by their sha256
staging=$state/staging        # unpacked and not yet in place
restored=$state/restored      # what was put in place: row counts, hashes
replaced=$state/replaced      # what stood there before
holds=$state/holds            # paths of what was restored, a line each
ours=$state/ours              # touched when a recovery last wrote to the site
unflushed=$state/packages-unflushed # the boot whose packages are not yet surely on the disk
lock=$state/lock.json         # whose recovery this is
volatile=${RECOVERY_VOLATILE-/run/recovery} # gone at a reboot
secrets=$volatile/secrets     # a file a secret
steps=$volatile/steps         # requests and results under way
