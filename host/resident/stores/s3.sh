# shellcheck shell=bash disable=SC2034,SC2154 # send asks
# A bucket of S3, or of a server that speaks its language.
. "$resident/stores/object.sh"
endpoint=$(at endpoint) folder=store:$(at bucket)/$(at path)
export RCLONE_CONFIG_STORE_TYPE=s3 RCLONE_CONFIG_STORE_REGION RCLONE_CONFIG_STORE_ACCESS_KEY_ID RCLONE_CONFIG_STORE_SECRET_ACCESS_KEY=$secret
export RCLONE_CONFIG_STORE_PROVIDER=AWS RCLONE_CONFIG_STORE_NO_CHECK_BUCKET=true RCLONE_CONFIG_STORE_DISABLE_CHECKSUM=true RCLONE_CONFIG_STORE_UPLOAD_CONCURRENCY=2
RCLONE_CONFIG_STORE_REGION=$(at region) RCLONE_CONFIG_STORE_ACCESS_KEY_ID=$(at accessKeyId)
if [[ -n $endpoint ]]; then export RCLONE_CONFIG_STORE_PROVIDER=Other RCLONE_CONFIG_STORE_ENDPOINT=$endpoint; fi
