package cache

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/rueidis"
)

// consumeScript is the generic cell rate algorithm on several keys at once. A key
// holds the time, in microseconds of the server's clock, at which its whole quota
// will be there again; it is absent when that time has passed. Each use moves it on
// by the key's interval, and may not move it further away than quota times that.
// What is owed moves it in any case, but never so far that a key needs more than
// twice its time to recover, whatever the clock did in between.
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

// Consume counts one use of every key, in one round trip, if each has one left
// (allowed); else of none. A key has quotas[i] uses, which come back one by one,
// one in every intervals[i], a whole number of microseconds. owed[i] uses that were
// made before without asking are counted first, whether they are left or not. full
// tells how long it takes from now until a key that is left alone has all its uses
// again.
//
// Keys that are left alone go away by themselves, and all of them with the server's
// memory, so they are no place for what must not be lost. They stand apart from those
// of [Cache.Get] if their names do. Errors: [ErrUnavailable], at once while the
// breaker is open, or that of ctx.
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
