package token

import "time"

// jump is the largest step of the clock that passes as ordinary correction.
const jump = time.Minute

// clockHold is how long upkeep that time decides rests after a jump.
const clockHold = 24 * time.Hour

// longGap is the largest step forward over a restart that passes as a time of rest.
const longGap = 7 * 24 * time.Hour

// clockGuard notices a clock that jumps. Purging rests while it is alarmed,
// since what was purged under a wrong clock would be missing under the right one.
type clockGuard struct {
	last  time.Time // with its monotonic reading
	until time.Time // monotonic; alarmed until then
}

// start begins at now, given the highest time stored by earlier runs, and
// returns how far the clock had jumped; 0 means that nothing was wrong.
func (g *clockGuard) start(now, high time.Time) time.Duration {
	g.last = now
	gap := now.Round(0).Sub(high)
	if high.IsZero() || gap > -jump && gap < longGap {
		return 0
	}
	g.until = now.Add(clockHold)
	return gap
}

// observe takes the present time and returns by how much the wall clock
// stepped against the monotonic one since the last call; 0 if within reason.
func (g *clockGuard) observe(now time.Time) time.Duration {
	step := now.Round(0).Sub(g.last.Round(0)) - now.Sub(g.last)
	g.last = now
	if step.Abs() <= jump {
		return 0
	}
	g.until = now.Add(clockHold)
	return step
}

// alarmed reports whether a jump was seen in the last 24 h of running.
func (g *clockGuard) alarmed() bool { return g.last.Before(g.until) }
