# shellcheck shell=bash disable=SC2034,SC2154 # send asks
# A bucket of S3, or of a server that speaks its language.
. "$resident/stores/object.sh"
endpoint=$(at endpoint) folder=store:$(at bucket)/$(at path)
export RCLONE_CONFIG_STORE_TYPE=s3 RCLONE_CONFIG_STORE_REGION RCLONE_CONFIG_STORE_ACCESS_KEY_ID RCLONE_CONFIG_STORE_SECRET_ACCESS_KEY=$secret
export RCLONE_CONFIG_STORE_PROVIDER=AWS RCLONE_CONFIG_STORE_NO_CHECK_BUCKET=true RCLONE_CONFIG_STORE_DISABLE_CHECKSUM=true RCLONE_CONFIG_STORE_UPLOAD_CONCURRENCY=2
RCLONE_CONFIG_STORE_REGION=$(at region) RCLONE_CONFIG_STORE_ACCESS_KEY_ID=$(at accessKeyId)
if [[ -n $endpoint ]]; then export RCLONE_CONFIG_STORE_PROVIDER=Other RCLONE_CONFIG_STORE_ENDPOINT=$endpoint; fi

infrequent=$(at infrequent)
# The members of a full backup are read when there is need, so that they cost less to keep and more to read: not what lists are made of, and
# nothing below 128 KiB, which is billed as if it were as large.
put() { # put POINT FILE BYTES SHA256
  local options=()
  if [[ $infrequent == *"\"${1%%/*}\""* && $2 != MANIFEST.json* ]] && (($3 >= 131072)); then options=(--s3-storage-class=STANDARD_IA); fi
  put_object "$@" "${options[@]}"
}
