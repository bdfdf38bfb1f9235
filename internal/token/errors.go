package token

import (
	"errors"
	"fmt"
	"time"
)

// Code is why a verb was refused; each dialect has one table from codes to its wire.
type Code int

// The codes. The zero Code is none of them.
const (
	Malformed      Code = iota + 1 // not a token or request of ours
	BadCredentials                 // unknown or wrong secret
	Expired                        // past its end
	Revoked                        // ended by its owner, an operator or a limit
	Reused                         // a refresh token that was rotated away
	WrongKind                      // a good token in the wrong place
	Forbidden                      // known, and not allowed
	NotFound                       // no such thing, or not the caller's
	Conflict                       // already there
	TooMany                        // slow down
	Unavailable                    // we cannot know now; nothing was done
)

var codeNames = [...]string{"", "malformed", "bad credentials", "expired", "revoked", "reused",
	"wrong kind", "forbidden", "not found", "conflict", "too many", "unavailable"}

// Codes lists every code, for tables that must render all of them.
func Codes() []Code {
	var all []Code
	for c := Malformed; c <= Unavailable; c++ {
		all = append(all, c)
	}
	return all
}

// String returns the code's name, such as "wrong kind".
func (c Code) String() string {
	if c < 1 || int(c) >= len(codeNames) {
		return fmt.Sprintf("code %d", int(c))
	}
	return codeNames[c]
}

// Error is every error the engine and its stores return on purpose. Its text
// is for the operator's log, not for the wire.
type Error struct {
	Code       Code
	Err        error         // what happened; may be nil
	RetryAfter time.Duration // for TooMany and Unavailable; 0 says nothing
}

// Error returns the code and, behind it, the reason.
func (e *Error) Error() string {
	if e.Err == nil {
		return e.Code.String()
	}
	return e.Code.String() + ": " + e.Err.Error()
}

// Unwrap returns the reason.
func (e *Error) Unwrap() error { return e.Err }

// Refusal reports whether the error is an answer rather than a failure: a
// store undoes the refused verb alone and goes on with its neighbours.
func (e *Error) Refusal() bool { return e.Code != Unavailable }

// CodeOf returns the code in err's chain, Unavailable for an error of another
// kind, and 0 for nil.
func CodeOf(err error) Code {
	var e *Error
	switch {
	case err == nil:
		return 0
	case errors.As(err, &e):
		return e.Code
	}
	return Unavailable
}

// Refuse returns an Error with the code and a formatted reason.
func Refuse(code Code, format string, args ...any) error {
	return &Error{Code: code, Err: fmt.Errorf(format, args...)}
}

// ErrClock means that a process does not believe its own clock: it differs from
// the database's, or has just stepped. What depends on the time is Unavailable.
var ErrClock = errors.New("this server's clock is not believed")

// Why a token that is well signed is not good yet.
var (
	ErrNotBefore = errors.New("token not valid before a later time (nbf)")
	ErrIssuedAt  = errors.New("token issued at a later time (iat)")
)

func wrap(doing string, err error) error { return fmt.Errorf("%s: %w", doing, err) }
