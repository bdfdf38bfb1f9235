package token

import (
	"context"
	"fmt"
	"time"

	"symbolon/internal/audit"
)

// Store is what the engine needs kept. Each verb is one transaction that
// changes the state, writes the audit line and appends to the feed; it is
// durable when the verb returns nil. The store is told the services when it is
// made, and asks them (Admit, NewSubject, Limits, Names) inside its transactions.
// A refusal is an *Error with its code and has changed nothing unless the
// verb's result says so; any other failure is Unavailable. All verbs may be
// called at once from many goroutines.
type Store interface {
	Grants
	Reader
	Feed
	Upkeep
	Notes
}

// Grants are the verbs that change grants.
type Grants interface {
	// Issue locks the account, requires it active and the parent alive, asks
	// the service's Admit unless an operator calls, gives the account its
	// subject there, ends the oldest live grants over the service's limit
	// (earliest end first, then number) and inserts one. For a Browser, which is
	// of no service, the limit is MaxBrowsers. A ServiceKey whose
	// secret is already there is returned as it is, and others of its service end.
	Issue(context.Context, IssueVerb) (Issued, error)
	// Replace makes a grant as Issue does, in place of Old, a live grant of the
	// same account and kind that ends at Until, or at its own end if that is
	// earlier; an Until that is not after Now revokes Old in the same
	// transaction. NotFound for an Old of another kind, Revoked or Expired for
	// one that has ended, Conflict for one that was replaced before.
	Replace(context.Context, ReplaceVerb) (Issued, error)
	// Prolong moves the end of a live Browser to a later Until, never past its
	// cap; an earlier Until changes nothing. Any other grant is NotFound, one
	// that has ended Revoked or Expired.
	Prolong(context.Context, ProlongVerb) (Grant, error)
	// Rotate moves a grant to its next generation, which counts as a use, if the
	// presented one is current, and otherwise decides what the presented token means. Its
	// outcome, revocation included, is committed with a nil error. A service
	// with restrictions is asked first whether it still admits the account.
	Rotate(context.Context, RotateVerb) (Rotated, error)
	// Revoke ends one grant or many of an account, children included, and
	// cuts off what names a person where its last grant of a service ended.
	// With a status it also changes the account's.
	Revoke(context.Context, RevokeVerb) (Ended, error)
	// AnswerLost notes that the answer with this generation, made at this
	// time, did not arrive. Nothing happens if the grant has moved on, or was
	// moved to this generation at another time.
	AnswerLost(ctx context.Context, grant, generation int64, rotated time.Time) error
}

// Reader are the reads; each sees one consistent moment.
type Reader interface {
	// Subject returns the account as the service sees it, acting for the group
	// it owns when group is not 0. It gives an account that the service has
	// not met its subject there. NotFound without such an account or group.
	Subject(ctx context.Context, service string, account, group int64) (Subject, error)
	// SubjectByID is Subject by the service's own id for an account.
	SubjectByID(ctx context.Context, service, id string) (Subject, error)
	// KeyBySecret returns the grant of an API key by the SHA-256 of its secret.
	KeyBySecret(ctx context.Context, hash [32]byte) (Grant, error)
	// BrowserBySecret returns the grant of a signed-in browser, live or not, by
	// the SHA-256 of its secret.
	BrowserBySecret(ctx context.Context, hash [32]byte) (Grant, error)
	// Grant returns one grant, live or not.
	Grant(ctx context.Context, id int64) (Grant, error)
	// Head returns the highest number of a grant, 0 where there is none.
	Head(ctx context.Context) (int64, error)
	// List returns the grants a filter matches, newest first.
	List(context.Context, Filter) ([]Grant, error)
	// Activity returns what was done, by hour, service and deed: what was added,
	// and the grants made and ended and the sign-ins refused of the audit lines.
	Activity(ctx context.Context, since, until time.Time) ([]Activity, error)
}

// Feed is the numbered list of everything that makes a token worse.
type Feed interface {
	// Load gives every entry still in force, and the position they stand at.
	Load(ctx context.Context, each func(Entry)) (Position, error)
	// Lost gives the grants that a restore may have lost: tokens of them are out,
	// and there are no rows.
	Lost(ctx context.Context) ([]Range, error)
	// Since gives the entries after seq in order, at most limit, and the
	// position of the last one (or of the head when there are none).
	Since(ctx context.Context, seq int64, limit int) ([]Entry, Position, error)
	// Changed waits until somebody may have appended, at most the time given, and
	// reports whether one may have; true when in doubt.
	Changed(ctx context.Context, most time.Duration) (bool, error)
	// Seen is the number of the last entry that this process has appended, or that was there when it issued a grant or
	// read an API key: 0 before the first.
	Seen() int64
}

// Upkeep is what the server does by itself.
type Upkeep interface {
	// Touch adds uses to grants.
	Touch(context.Context, []Use) error
	// AddActivity adds counts to hours; several servers add up.
	AddActivity(context.Context, []Activity) error
	// EndReplaced revokes a replaced grant whose end has come, with all that
	// was made with it; the result is empty where there is none, or another
	// server was faster.
	EndReplaced(ctx context.Context, by Caller, now time.Time) (Ended, error)
	// Purge removes, for one server at a time, among the next batch grants after cursor, those nothing
	// minted from can be valid 24 h before now, and old feed rows, cut-offs
	// and audit lines; it forgets the addresses and agents that are older than
	// AddressKeep. It returns the next cursor, 0 at the end.
	Purge(ctx context.Context, v PurgeVerb) (next int64, removed int, err error)
	// Start notes a server's start: earlier runs that did not end and whose
	// servers are gone are marked as crashed, and every grant of a service goes stale whose restrictions
	// (:: service → text) are not those of the last start. It returns the
	// run's number and what earlier runs stored of the clock.
	Start(ctx context.Context, now time.Time, restrictions map[string]string) (run int64, before ClockState, err error)
	// Alive notes that the run lives.
	Alive(context.Context, AliveVerb) error
}

// ClockState is what a store knows of the clock.
type ClockState struct {
	High time.Time     // the highest time seen while nothing was wrong; zero at the very first start
	Hold time.Duration // of running until the clock is believed again
}

// AliveVerb is a sign of life. While Hold is not 0 the highest time stays as it is.
type AliveVerb struct {
	Run   int64
	Now   time.Time
	Hold  time.Duration
	Final bool // ends the run in good order
}

// Notes are audit lines of deeds that change nothing else.
type Notes interface {
	Note(context.Context, NoteVerb) error
}

// NoteVerb is one audit line.
type NoteVerb struct {
	By      Caller
	Now     time.Time
	Kind    audit.Kind
	Grant   int64
	Service string
	Detail  string
}

// IssueVerb asks for a grant.
type IssueVerb struct {
	By         Caller
	Now        time.Time
	Grant      Grant // Account, Service, Kind, Label, Scope, Parent, Group, Nonce, NotBefore, ExpiresAt, Cap, Preview
	SecretHash []byte
	With       int64 // a grant of the account that must be live: the permission; 0 asks for none
}

// ReplaceVerb asks for a grant in place of another.
type ReplaceVerb struct {
	IssueVerb
	Old   int64
	Until time.Time
}

// Issued is a grant made.
type Issued struct {
	Grant   Grant
	Subject Subject
	Ended   []int64 // grants over the limit
}

// ProlongVerb says that a signed-in browser was used.
type ProlongVerb struct {
	Now   time.Time
	Grant int64
	Until time.Time
}

// RotateVerb presents a refresh token.
type RotateVerb struct {
	By         Caller
	Now        time.Time
	Service    string
	Grant      int64
	Nonce      int64
	Generation int64
	Lifetime   time.Duration
	Window     time.Duration
	Replay     Replay
	RetryKey   []byte // SHA-256 of the Idempotency-Key, or nil
}

// Outcome is what a presented refresh token turned out to be.
type Outcome string

// The outcomes of Rotate.
const (
	RotatedNow     Outcome = "rotated"  // a new generation
	RotatedSame    Outcome = "same"     // the last answer again
	RotateRaced    Outcome = "raced"    // the direct predecessor, too soon to be theft
	RotateReused   Outcome = "reused"   // an ancestor; the grant has been revoked
	RotateAhead    Outcome = "ahead"    // a generation the store has not seen: it went back
	RotateRevoked  Outcome = "revoked"  // the grant was revoked before
	RotateExpired  Outcome = "expired"  // the grant is past its end
	RotateNotFound Outcome = "notfound" // no such grant, or another nonce
)

// Rotated is what came of a rotation; Grant is set where a row was found.
type Rotated struct {
	Outcome Outcome
	Grant   Grant
	Ended   Ended // for RotateReused
}

// RevokeVerb asks for an end. Exactly one of Grant and Account is set.
type RevokeVerb struct {
	By     Caller
	Now    time.Time
	Reason string

	Grant   int64
	Owner   int64  // when set, a Grant of another account is NotFound
	Account int64  // every live grant of it …
	Service string // … in this service only, when set
	Kinds   []GrantKind
	Except  int64  // with Account: a grant that stays, where Status is not set
	Status  string // with Account: the account's new status, "disabled" or "deleted"

	// Nonce and Generation, with Possession, must be the grant's present ones;
	// otherwise the verb decides as Rotate does and answers with its outcome.
	Possession bool
	Nonce      int64
	Generation int64
	Window     time.Duration
}

// Ended is what a revocation ended.
type Ended struct {
	Grants  []int64
	Cutoffs []Cutoff
	Outcome Outcome // of a Possession that was not the present token
}

// Cutoff refuses what tokens that name a person were minted up to At.
type Cutoff struct {
	Service string
	Name    string
	At      time.Time
	Until   time.Time // after which it is no longer needed
}

// Entry is one line of the feed.
type Entry struct {
	Seq     int64
	Kind    EntryKind
	Grant   int64
	Service string
	Name    string
	At      time.Time
	Until   time.Time
}

// Range is grants by number, both ends among them.
type Range struct{ First, Last int64 }

// EntryKind says what an entry makes worse.
type EntryKind string

// The kinds of entry.
const (
	EntryGrant     EntryKind = "grant"      // Grant is revoked
	EntryStale     EntryKind = "stale"      // the account of Grant, or who may use Service, changed at At
	EntryCutoff    EntryKind = "cutoff"     // Service, Name, At, Until
	EntryNotBefore EntryKind = "not_before" // Service ("" for all) refuses tokens issued before At
	EntryKeys      EntryKind = "keys"       // the signing keys of Service ("" for the installation's) changed
)

// Position is a place in a store's feed. Another epoch is another history.
type Position struct {
	Epoch int64
	Seq   int64
}

// String is EPOCH:SEQ.
func (p Position) String() string { return fmt.Sprintf("%d:%d", p.Epoch, p.Seq) }

// Filter selects grants; zero fields select everything.
type Filter struct {
	Account int64
	Service string
	Kinds   []GrantKind
	Live    bool // not revoked and not past its end at Now
	Now     time.Time
	Before  int64 // grants with smaller numbers than this: the next page; 0 is all
	Limit   int   // 0 means 1000
}

// Use is one grant's uses since the last flush.
type Use struct {
	Grant int64
	At    time.Time
	Count int64
	Addr  string // of the latest caller; "" where none was known
}

// PurgeVerb says what is old.
type PurgeVerb struct {
	Now    time.Time
	Cursor int64
	Batch  int
	Retention
}

// Retention says for how long the past is kept; 0 keeps it for ever.
type Retention struct {
	AuditKeep   time.Duration // audit lines
	AddressKeep time.Duration // addresses and agents, in audit lines and in grants
}
