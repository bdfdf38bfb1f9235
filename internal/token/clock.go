package token

import "time"

// jump is the largest step of the clock that passes as ordinary correction.
const jump = time.Minute

// clockHold is how long of running upkeep that time decides rests after a jump.
const clockHold = 24 * time.Hour

// longGap is a step forward over a restart that no rest of a server explains.
const longGap = 7 * 24 * time.Hour

// clockGuard notices a clock that jumps. Purging rests while it holds, since what
// was purged under a wrong clock would be missing under the right one. How long it
// still holds is kept with the store, so that a restart does not shorten it.
type clockGuard struct {
	last time.Time     // with its monotonic reading
	hold time.Duration // of running; 0 when nothing is wrong
}

// start begins at now, given the highest time and the hold stored by earlier runs.
// Any gap over a minute holds, since a jump cannot be told from a rest; it returns
// the gap where no rest explains it, else 0.
func (g *clockGuard) start(now, high time.Time, hold time.Duration) time.Duration {
	g.last, g.hold = now, hold
	gap := now.Round(0).Sub(high)
	if high.IsZero() || gap.Abs() <= jump {
		return 0
	}
	if hold == 0 {
		g.hold = clockHold
	}
	if gap > 0 && gap < longGap {
		return 0
	}
	return gap
}

// observe takes the present time and returns by how much the wall clock
// stepped against the monotonic one since the last call; 0 if within reason.
func (g *clockGuard) observe(now time.Time) time.Duration {
	ran := now.Sub(g.last)
	by := step(g.last, now)
	g.last = now
	g.hold = max(0, g.hold-max(0, ran))
	if by.Abs() <= jump {
		return 0
	}
	g.hold = clockHold
	return by
}

// step is by how much the wall clock moved more than the monotonic one between
// two readings; 0 for times without a monotonic reading.
func step(from, to time.Time) time.Duration {
	return to.Round(0).Sub(from.Round(0)) - to.Sub(from)
}

// held reports whether upkeep that time decides must rest.
func (g *clockGuard) held() bool { return g.hold > 0 }
