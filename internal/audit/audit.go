// Package audit names what is written down for people: who did what to which
// account or grant, from where. Each line is written by the store verb that
// does the deed, in the same transaction, so that there is no deed without a
// line and no line without a deed.
package audit

import "time"

// Kind is what happened.
type Kind string

// The kinds. A successful refresh is not among them: the grant's row says it.
const (
	Issued            Kind = "grant_issued"
	EndedByLimit      Kind = "grant_ended_by_limit"
	Revoked           Kind = "grant_revoked"
	Replaced          Kind = "grant_replaced" // another is in its place; it ends later
	RefreshRaced      Kind = "refresh_raced"
	RefreshReplayed   Kind = "refresh_replayed"
	RefreshReused     Kind = "refresh_reused"
	RefreshRefused    Kind = "refresh_refused"
	StoreWentBack     Kind = "store_went_back"
	AccountAdded      Kind = "account_added"
	AccountChanged    Kind = "account_changed"
	AccountDisabled   Kind = "account_disabled"
	AccountEnabled    Kind = "account_enabled"
	AccountDeleted    Kind = "account_deleted"
	AccountJoined     Kind = "account_joined" // one line for each of the two
	IdentityLinked    Kind = "identity_linked"
	IdentityUnlinked  Kind = "identity_unlinked"
	PasswordChanged   Kind = "password_changed"
	ResetLinkMade     Kind = "reset_link_made"
	GroupAdded        Kind = "group_added"
	GroupDeleted      Kind = "group_deleted"
	MemberAdded       Kind = "group_member_added"
	MemberRemoved     Kind = "group_member_removed"
	SignedIn          Kind = "signed_in"  // a browser, to our own pages
	SignedOut         Kind = "signed_out" // the same, for whatever reason
	SignInFailed      Kind = "sign_in_failed"
	ServiceKeyUsed    Kind = "service_key_used"
	ServiceKeyRefused Kind = "service_key_refused"
	KeyAdded          Kind = "signing_key_added"
	KeySigns          Kind = "signing_key_signs" // a published one, in place of another
	KeyRemoved        Kind = "signing_key_removed"
	KeysResealed      Kind = "signing_keys_resealed" // under another master key
	EpochBegun        Kind = "epoch_begun"
)

// Event is one line. Zero fields are unknown or do not apply.
type Event struct {
	ID      int64 // ascending in the order of writing; to page on from
	At      time.Time
	Kind    Kind
	Actor   string // "operator", "account", "key", "token", "server"
	Account int64
	Grant   int64
	Service string
	Addr    string
	Agent   string
	Detail  string // words for people; never a secret
}

// Filter selects lines; zero fields select everything.
type Filter struct {
	Account int64 // also of accounts that were joined into it
	Grant   int64
	Kinds   []Kind
	Since   time.Time // first instant
	Until   time.Time // first instant after
	Before  int64     // lines older than the one with this ID: the next page
	Limit   int       // 0 means 1000
}
