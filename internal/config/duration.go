package config

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"
)

// Day is 24 hours, the longest unit a Duration is written in.
const Day = Duration(24 * time.Hour)

// ErrDuration is the cause of every error of ParseDuration.
var ErrDuration = errors.New("not a duration; write it like 900s, 15m, 8h, 30d or 1d12h, or as a number of seconds")

// Duration is a length of time, converted with time.Duration(d). The file writes
// it in whole days, hours, minutes and seconds.
type Duration time.Duration

var units = []struct {
	letter byte
	length Duration
}{
	{'d', Day},
	{'h', Duration(time.Hour)},
	{'m', Duration(time.Minute)},
	{'s', Duration(time.Second)},
}

// ParseDuration reads 900s, 15m, 8h, 30d or 1d12h (longest unit first, each once),
// or a bare number of seconds. It refuses signs, fractions, and more than 292 years.
func ParseDuration(s string) (Duration, error) {
	total, rest := Duration(0), s
	for next := 0; rest != ""; {
		n, tail, err := leadingNumber(rest)
		if err != nil {
			return 0, err
		}
		unit := len(units) - 1 // seconds, which need no letter when alone
		if tail != "" || rest != s {
			if unit, tail, err = leadingUnit(tail, next); err != nil {
				return 0, err
			}
		}
		if n > int64(math.MaxInt64-total)/int64(units[unit].length) {
			return 0, fmt.Errorf("more than 292 years: %w", ErrDuration)
		}
		total += Duration(n) * units[unit].length
		next, rest = unit+1, tail
	}
	if s == "" {
		return 0, ErrDuration
	}
	return total, nil
}

func leadingNumber(s string) (int64, string, error) {
	i := 0
	for i < len(s) && s[i] >= '0' && s[i] <= '9' {
		i++
	}
	n, err := strconv.ParseInt(s[:i], 10, 64)
	if errors.Is(err, strconv.ErrRange) {
		return 0, "", fmt.Errorf("more than 292 years: %w", ErrDuration)
	}
	if err != nil {
		return 0, "", ErrDuration
	}
	return n, s[i:], nil
}

// leadingUnit takes the unit letter off s and returns its place in units, which
// must not be before next.
func leadingUnit(s string, next int) (int, string, error) {
	for i := next; i < len(units) && s != ""; i++ {
		if units[i].letter == s[0] {
			return i, s[1:], nil
		}
	}
	return 0, "", ErrDuration
}

// String returns the shortest form that ParseDuration reads: 30d, 15m, 1d12h, 0s.
// A duration that is negative or not of whole seconds has Go's own form.
func (d Duration) String() string {
	if d < 0 || d%Duration(time.Second) != 0 {
		return time.Duration(d).String()
	}
	out := ""
	for _, u := range units {
		if n := d / u.length; n > 0 {
			out += strconv.FormatInt(int64(n), 10) + string(u.letter)
			d %= u.length
		}
	}
	if out == "" {
		return "0s"
	}
	return out
}
