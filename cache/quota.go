package cache

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/rueidis"
)

// consumeScript is the generic cell rate algorithm on several keys at once. A key
// holds the time, in microseconds of the server's clock, at which its quota is full
// again; the key is absent once that time has passed. Each use advances the time by
// the key's interval, up to quota intervals from now. Owed uses always advance it,
// but never by so much that a key needs more than twice its time to recover, even if
// the clock jumps.
var consumeScript = rueidis.NewLuaScript(`
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local allowed, full = 1, {}
for i, key in ipairs(KEYS) do
	local interval, burst, owed = tonumber(ARGV[3*i-2]), tonumber(ARGV[3*i-1]), tonumber(ARGV[3*i])
	full[i] = math.min(math.max(tonumber(redis.call('GET', key)) or 0, now) + owed, now + 2*burst)
	if full[i] + interval - now > burst then allowed = 0 end
end
local answer = {allowed}
for i, key in ipairs(KEYS) do
	if allowed == 1 then full[i] = full[i] + tonumber(ARGV[3*i-2]) end
	if full[i] > now then
		redis.call('SET', key, string.format('%.0f', full[i]), 'PX', math.ceil((full[i] - now) / 1000))
	end
	answer[i+1] = full[i] - now
end
return answer`)

// Consume counts one use of every key, in one round trip, if every key has a use
// left (allowed); otherwise it counts none. Key i has quotas[i] uses, of which one
// comes back every intervals[i], a whole number of microseconds. owed[i] uses that
// were made earlier without asking are counted first, even if none are left. full[i]
// is the time until key i has all its uses again if nothing else consumes it.
//
// Unused keys expire, and all keys are lost when the server restarts, so they must
// not hold what has to survive. Their names must differ from those passed to
// [Cache.Get]. Errors: [ErrUnavailable], immediately while the breaker is open, or
// that of ctx.
func (c *Cache) Consume(
	ctx context.Context, keys []string, quotas, owed []int, intervals []time.Duration,
) (allowed bool, full []time.Duration, err error) {
	if c.trust.now().server == "" {
		c.metrics.failed("consume")
		return false, nil, fmt.Errorf("%w: consume: not connected", ErrUnavailable)
	}
	names, args := make([]string, len(keys)), make([]string, 0, 3*len(keys))
	for i, key := range keys {
		names[i] = c.cfg.Prefix + key
		interval := intervals[i].Microseconds()
		for _, n := range []int64{interval, int64(quotas[i]) * interval, int64(owed[i]) * interval} {
			args = append(args, strconv.FormatInt(n, 10))
		}
	}
	var answer []int64
	err = c.call(ctx, "consume", func(ctx context.Context) (err error) {
		answer, err = consumeScript.Exec(ctx, c.client, names, args).AsIntSlice()
		return err
	})
	if err != nil {
		return false, nil, err
	}
	if len(answer) != len(keys)+1 {
		return false, nil, fmt.Errorf("%w: consume: %d answers for %d keys", ErrUnavailable, len(answer), len(keys))
	}
	full = make([]time.Duration, len(keys))
	for i := range full {
		full[i] = time.Duration(answer[i+1]) * time.Microsecond
	}
	return answer[0] == 1, full, nil
}
