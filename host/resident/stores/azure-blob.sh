# shellcheck shell=bash disable=SC2034,SC2154 # send asks
# A container of Azure's blob storage.
. "$resident/stores/object.sh"
container=$(at container) folder=store:${container##*/}/$(at path)
# Several at once wait for ever when one is refused (rclone 1.60).
export RCLONE_CONFIG_STORE_TYPE=azureblob RCLONE_CONFIG_STORE_SAS_URL="$container?${secret#\?}" RCLONE_CONFIG_STORE_UPLOAD_CONCURRENCY=1

put() { put_object "$@"; } # put POINT FILE BYTES SHA256
