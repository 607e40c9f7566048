# shellcheck shell=bash
#
# RabbitMQ, 3.10 or newer. Sourced by deploy/local; process.sh describes the functions.

RABBITMQ_BIN=''

# The scripts in /usr/sbin switch to the user rabbitmq; the ones that they run do not.
rabbitmq_find() {
	local path version
	command -v erl >/dev/null || return 1
	for path in /usr/lib/rabbitmq/bin/rabbitmq-server "$(readlink -f "$(command -v rabbitmq-server || echo /)")"; do
		[[ -f $path && -x $path ]] || continue
		RABBITMQ_BIN=$(dirname "$path")
		version=$(rabbitmq_version)
		if [[ $version == unknown ]] || at_least "$version" 3.10; then return; fi
	done
	return 1
}

# Takes the version from the name of the folder, because the tools take a second.
rabbitmq_version() {
	local path
	for path in "$RABBITMQ_BIN" "$RABBITMQ_BIN"/../lib/rabbitmq_server-*; do
		if [[ $path =~ rabbitmq_server-([0-9.]+) ]]; then
			echo "${BASH_REMATCH[1]}"
			return
		fi
	done
	echo unknown
}

# The settings of the server and its tools. The data contains the name of the node, so the
# name must not change with the ports. Each checkout runs its own epmd, so the nodes can
# have the same name.
rabbitmq_environment() {
	local dir=$STATE/rabbitmq
	clean_environment
	export HOME=$dir/home # with the node's cookie
	export RABBITMQ_NODENAME=vitrine@localhost RABBITMQ_USE_LONGNAME=false
	export RABBITMQ_NODE_IP_ADDRESS=127.0.0.1 RABBITMQ_NODE_PORT=${PORT[rabbitmq]}
	export RABBITMQ_DIST_PORT=${PORT[rabbitmq-dist]}
	export ERL_EPMD_ADDRESS=127.0.0.1 ERL_EPMD_PORT=${PORT[rabbitmq-epmd]}
	export RABBITMQ_MNESIA_BASE=$dir/mnesia RABBITMQ_LOG_BASE=$LOGS/rabbitmq
	export RABBITMQ_PID_FILE=$dir/pid RABBITMQ_ENABLED_PLUGINS_FILE=$dir/enabled_plugins
	# Only our files, not those in /etc/rabbitmq.
	export RABBITMQ_CONFIG_FILE=$dir/rabbitmq RABBITMQ_CONFIG_FILES=$dir/conf.d
	export RABBITMQ_ADVANCED_CONFIG_FILE=$dir/advanced.config RABBITMQ_CONF_ENV_FILE=$dir/rabbitmq-env.conf
	# The distribution port must listen on loopback only, and idle schedulers must not spin,
	# which would take CPU time from the other servers.
	export RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS='-kernel inet_dist_use_interface {127,0,0,1} +sbwt none +sbwtdcpu none +sbwtdio none'
}

rabbitmq_prepare() {
	local dir=$STATE/rabbitmq
	# Only the first start creates the user and the virtual host, so the data of an
	# incomplete first start is deleted.
	[[ -e $dir/complete ]] || rm -rf "$dir"
	mkdir -p "$dir/home" "$dir/mnesia" "$dir/conf.d" "$LOGS/rabbitmq"
	: >"$dir/rabbitmq-env.conf"
	echo '[].' >"$dir/enabled_plugins"
	echo '[].' >"$dir/advanced.config"
	write_secret "$dir/rabbitmq.conf" <<-END
		listeners.tcp.default = 127.0.0.1:${PORT[rabbitmq]}
		loopback_users = none
		default_user = $RABBITMQ_USER
		default_pass = $RABBITMQ_PASSWORD
		log.file.level = warning
		disk_free_limit.absolute = 100MB
		vm_memory_high_watermark.absolute = 768MB
		raft.wal_max_size_bytes = 67108864
	END
}

rabbitmq_launch() {
	(
		rabbitmq_environment
		if command -v epmd >/dev/null; then # otherwise the server starts one
			spawn rabbitmq "$STATE/rabbitmq" epmd -port "${PORT[rabbitmq-epmd]}" -address 127.0.0.1
			wait_until 5 port_answers "${PORT[rabbitmq-epmd]}" || true
		fi
		# As many open files as allowed: the usual 1024 are few for a broker.
		ulimit -Sn "$(ulimit -Hn)" 2>/dev/null || true
		spawn rabbitmq "$STATE/rabbitmq" "$RABBITMQ_BIN/rabbitmq-server"
	)
}

hex() { printf '%s' "$1" | od -An -v -tx1 | tr -d ' \n'; }

# frame HEX...: prints an AMQP method frame on channel 0 as escapes for printf.
frame() {
	local body=$*
	body=${body// /}
	printf '010000%08x%sce' $((${#body} / 2)) "$body" | sed 's/../\\x&/g'
}

# Sends a complete AMQP conversation as our user at once: start-ok (PLAIN), tune-ok, open
# "/", close. Only a broker that accepted the user ends it with close-ok: 01 0000 00000004
# 000a 0033 ce. The loop looks for that frame: ce ends every frame, and bash drops zeros.
rabbitmq_answers() {
	(
		plain=00$(hex "$RABBITMQ_USER")00$(hex "$RABBITMQ_PASSWORD")
		request='AMQP\x00\x00\x09\x01'
		request+=$(frame 000a000b 00000000 "05$(hex PLAIN)" "$(printf %08x $((${#plain} / 2)))" "$plain" "05$(hex en_US)")
		request+=$(frame 000a001f 0001 00020000 0000)
		request+=$(frame 000a0028 "01$(hex /)" 00 00)
		request+=$(frame 000a0032 00c8 00 0000 0000)
		exec 3<>"/dev/tcp/127.0.0.1/${PORT[rabbitmq]}" || exit 1
		# shellcheck disable=SC2059 # the request consists of escapes
		printf "$request" >&3
		while IFS= read -r -t 3 -d $'\xce' answer <&3; do
			[[ $answer != $'\x01\x04\n3' ]] || exit 0
		done
		exit 1
	) 2>/dev/null
}

# Enables all feature flags: quorum queues need one that is off after the first start of
# 3.10.
rabbitmq_finish() {
	[[ ! -e $STATE/rabbitmq/complete ]] || return 0
	(
		rabbitmq_environment
		# The node answers on its port before it has started completely.
		timeout 60 "$RABBITMQ_BIN/rabbitmqctl" -q await_startup >>"$LOGS/rabbitmq.log" 2>&1 </dev/null &&
			timeout 60 "$RABBITMQ_BIN/rabbitmqctl" -q enable_feature_flag all >>"$LOGS/rabbitmq.log" 2>&1 </dev/null
	) || fail "rabbitmqctl enable_feature_flag all failed; see the end of $(short "$LOGS/rabbitmq.log")"
	: >"$STATE/rabbitmq/complete"
}

run_rabbitmqctl() {
	load_state || fail "this checkout has no servers yet; run: deploy/local up"
	rabbitmq_find || fail "rabbitmq is not installed; run: deploy/local up"
	rabbitmq_environment
	exec "$RABBITMQ_BIN/rabbitmqctl" "$@"
}

rabbitmq_env() {
	echo "RABBITMQ_URL=amqp://$RABBITMQ_USER:$RABBITMQ_PASSWORD@127.0.0.1:${PORT[rabbitmq]}/%2F"
}
