# shellcheck shell=bash
#
# Redis, 7 or newer, as a cache that writes nothing to disk. Sourced by deploy/local;
# process.sh describes the functions.

REDIS_BIN=''

redis_find() { REDIS_BIN=$(command -v redis-server) && at_least "$(redis_version)" 7; }

redis_version() { "$REDIS_BIN" --version | sed -n 's/.* v=\([0-9.]*\).*/\1/p'; }

redis_prepare() {
	mkdir -p "$STATE/redis"
	# The password is in a file because all users can read command lines.
	write_secret "$STATE/redis/redis.conf" <<-END
		bind 127.0.0.1
		port ${PORT[redis]}
		requirepass $REDIS_PASSWORD
		dir "$STATE/redis"
		save ""
		appendonly no
		daemonize no
	END
}

redis_launch() {
	(
		clean_environment
		spawn redis "$STATE/redis" "$REDIS_BIN" "$STATE/redis/redis.conf"
	)
}

redis_answers() {
	(
		exec 3<>"/dev/tcp/127.0.0.1/${PORT[redis]}" || exit 1
		printf 'AUTH %s\r\nPING\r\nQUIT\r\n' "$REDIS_PASSWORD" >&3
		IFS= read -r -t 3 auth <&3 && IFS= read -r -t 3 ping <&3 &&
			[[ $auth == +OK* && $ping == +PONG* ]]
	) 2>/dev/null
}

redis_finish() { :; }

redis_env() {
	cat <<-END
		REDIS_HOST=127.0.0.1
		REDIS_PORT=${PORT[redis]}
		REDIS_URL=redis://default:$REDIS_PASSWORD@127.0.0.1:${PORT[redis]}/0
	END
}
