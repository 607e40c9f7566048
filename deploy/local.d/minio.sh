# shellcheck shell=bash
#
# MinIO, the S3 server, which install.sh builds. Sourced by deploy/local; process.sh
# describes the functions.

readonly MINIO_VERSION=v0.0.0-20260212201848-7aac2a2c5b7c
readonly MINIO_BUILT=$CACHE/bin/minio-${MINIO_VERSION##*-}
readonly BUCKET=vitrine REGION=us-east-1
MINIO_BIN=''

minio_find() {
	MINIO_BIN=$MINIO_BUILT
	[[ ! -x $MINIO_BIN ]] || return 0
	MINIO_BIN=$(command -v minio) && [[ $("$MINIO_BIN" --version 2>/dev/null || true) == minio\ version* ]]
}

# A MinIO built from source does not report its version.
minio_version() {
	if [[ $MINIO_BIN == "$MINIO_BUILT" ]]; then
		echo "$MINIO_VERSION"
	else
		"$MINIO_BIN" --version | awk 'NR == 1 { print $3 }'
	fi
}

minio_prepare() { mkdir -p "$STATE/minio/data" "$STATE/minio/certs"; }

minio_launch() {
	(
		clean_environment
		export HOME=$STATE/minio MINIO_ROOT_USER=$MINIO_USER MINIO_ROOT_PASSWORD=$MINIO_PASSWORD
		export MINIO_REGION=$REGION
		# No console on another port, no checks for updates, slow background scans.
		export MINIO_BROWSER=off MINIO_UPDATE=off MINIO_SCANNER_SPEED=slowest
		spawn minio "$STATE/minio" "$MINIO_BIN" server "$STATE/minio/data" \
			--address "127.0.0.1:${PORT[minio]}" --certs-dir "$STATE/minio/certs"
	)
}

# Asks "cluster", because "live" succeeds before requests do. The request needs no
# credentials: is_up has checked that the process is ours, and each start sets them.
minio_answers() {
	(
		exec 3<>"/dev/tcp/127.0.0.1/${PORT[minio]}" || exit 1
		printf 'GET /minio/health/cluster HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n' >&3
		IFS= read -r -t 3 line <&3 && [[ $line == HTTP/1.?\ 200* ]]
	) 2>/dev/null
}

minio_finish() { :; }

minio_env() {
	cat <<-END
		S3_ENDPOINT=http://127.0.0.1:${PORT[minio]}
		S3_BUCKET_NAME=$BUCKET
		S3_PUBLIC_URL=http://127.0.0.1:${PORT[minio]}/$BUCKET
		AWS_REGION=$REGION
		AWS_ACCESS_KEY=$MINIO_USER
		AWS_SECRET_KEY=$MINIO_PASSWORD
	END
}
