package account

import "time"

// Kind is why something was refused.
type Kind string

// The kinds of refusal.
const (
	NotFound       Kind = "not found"       // no such account, group or membership
	Conflict       Kind = "conflict"        // the name or identity was used before
	Invalid        Kind = "invalid"         // a field is not as it must be
	BadCredentials Kind = "bad credentials" // name and password do not go together, for whatever reason
	TooMany        Kind = "too many"        // too many failures from here; try after RetryAfter
	Busy           Kind = "busy"            // too many passwords are being checked; try after RetryAfter
)

// Error is every refusal of this package and its stores. Errors of other types
// are failures: nothing is known.
type Error struct {
	Kind       Kind
	Text       string        // what is wrong and what to do, for people; "" says no more than the kind
	RetryAfter time.Duration // for TooMany and Busy; 0 elsewhere
}

// Sentinels for errors.Is, which compares kinds alone.
var (
	ErrNotFound       = &Error{Kind: NotFound}
	ErrConflict       = &Error{Kind: Conflict}
	ErrInvalid        = &Error{Kind: Invalid}
	ErrBadCredentials = &Error{Kind: BadCredentials}
	ErrTooMany        = &Error{Kind: TooMany}
	ErrBusy           = &Error{Kind: Busy}
)

// Error returns the text, or the kind where there is none.
func (e *Error) Error() string {
	if e.Text == "" {
		return string(e.Kind)
	}
	return e.Text
}

// Is reports whether target is an Error of the same kind.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Kind == e.Kind
}

// Refusal reports that the error is an answer rather than a failure: a store
// undoes the refused verb alone and goes on with its neighbours.
func (e *Error) Refusal() bool { return true }
