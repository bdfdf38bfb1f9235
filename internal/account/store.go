package account

import (
	"context"
	"time"
)

// Store keeps accounts, groups and failed sign-ins. Each verb is one
// transaction that changes the state, writes its audit line and, where
// something gets worse for the tokens of an account, appends to the feed; it is
// durable when the verb returns nil. A refusal is an *Error with its kind and
// has changed nothing; any other error is a failure of the store. Names of
// accounts and groups are found in any case (by Key). The caller has validated
// every field. All verbs may be called at once from many goroutines.
type Store interface {
	Accounts
	Identities
	Groups
	SignIns
	Passwords
}

// Accounts are the verbs on accounts.
type Accounts interface {
	// AddAccount makes an active account with the identities given and
	// (PasswordProvider, Key(Name)), and gives it its subject in every service.
	// Conflict if the name or an identity was ever used; NotFound if a group is unknown.
	AddAccount(context.Context, AddVerb) (Account, error)
	// SetAccount changes what the verb names. NotFound for an unknown or
	// deleted account and for an unknown group. Adding a member to a group it
	// is in, and removing one that is not, change nothing.
	SetAccount(context.Context, SetVerb) (Account, error)
	// EnableAccount makes a disabled account active; an active one stays as it
	// is; a deleted one is NotFound.
	EnableAccount(ctx context.Context, by By, now time.Time, name string) (Account, error)
	// Account returns an active or disabled account by its sign-in name, and
	// AccountByID by its number; NotFound for others.
	Account(ctx context.Context, name string) (Account, error)
	AccountByID(ctx context.Context, id int64) (Account, error)
	// ByIdentity returns the account, whatever its status, that has or had an
	// identity; NotFound if none ever did. An identity that was removed is not
	// among those of the account.
	ByIdentity(ctx context.Context, provider, subject string) (Account, error)
	// Accounts returns the accounts a filter matches, by name.
	Accounts(context.Context, Filter) ([]Account, error)
	// FindAccounts returns, at most Limit and the exact ones first, the accounts
	// with what the verb names in common; deleted ones by name and number alone.
	FindAccounts(context.Context, FindVerb) ([]Account, error)
}

// Identities are the verbs on ways to sign in. Each wants active accounts:
// NotFound for one that is not there, Conflict for a disabled one. Whatever
// changes makes the account's grants stale and cuts off the names that its
// tokens are given no more.
type Identities interface {
	// Link gives an account an identity that was never another's; Conflict
	// otherwise, and for the 21st. One that it has changes nothing; one that
	// was removed from it comes back.
	Link(context.Context, LinkVerb) error
	// Unlink takes an identity from an account, for which it stays reserved.
	// NotFound if the account has none such; Conflict if nothing would be left
	// to sign in by: an identity of another provider than PasswordProvider, or
	// a password.
	Unlink(context.Context, UnlinkVerb) error
	// Join moves all that From has to Into: identities, grants, subjects,
	// groups, attributes and, where Into has none, password and fields. From
	// is deleted and keeps its name. Where both have a subject in a service,
	// that of From leads to Into. Conflict unless both are persons.
	Join(context.Context, JoinVerb) error
}

// Groups are the verbs on groups.
type Groups interface {
	// AddGroup makes a group. Conflict if the name is in use; NotFound if the
	// owner is unknown. Owner "" is nobody.
	AddGroup(ctx context.Context, by By, now time.Time, name, uid, owner string) (Group, error)
	// DeleteGroup removes a group and its memberships; NotFound if unknown.
	DeleteGroup(ctx context.Context, by By, now time.Time, name string) error
	// Groups returns every group, by name.
	Groups(context.Context) ([]Group, error)
	// AddMember and RemoveMember are NotFound for an unknown group or account,
	// and change nothing where there is nothing to change.
	AddMember(ctx context.Context, by By, now time.Time, group, account string) error
	RemoveMember(ctx context.Context, by By, now time.Time, group, account string) error
}

// SignIns are what sign-in by password needs.
type SignIns interface {
	// Password returns the number and password hash of an active account, by
	// its name or that of one that was joined into it. Every other name, that of an unknown, disabled or deleted account or of
	// one without a password, is the same NotFound.
	Password(ctx context.Context, name string) (id int64, hash string, err error)
	// Attempts returns how many failures in a row are noted under key, each no
	// later than window after the one before, and when the last was; 0 and
	// the zero time if there are none or the last is older than window at now.
	Attempts(ctx context.Context, key string, now time.Time, window time.Duration) (failures int, last time.Time, err error)
	// Failed notes one more failure, the first again if the last is older than
	// window, and writes a SignInFailed line for account (0 if unknown).
	Failed(ctx context.Context, by By, key string, account int64, now time.Time, window time.Duration) error
	// Succeeded forgets the failures under key.
	Succeeded(ctx context.Context, key string) error
}

// Passwords are the verbs by which people change a password. Each that sets
// one removes the account's reset link and signs out its browsers.
type Passwords interface {
	// SetPassword sets the password of an active account. NotFound without the
	// account, Conflict for a disabled one and, with First, for one that has a
	// password.
	SetPassword(context.Context, PasswordVerb) error
	// AddReset makes a one-time link for an active account in place of any it
	// had. NotFound without the account, Conflict for a disabled one.
	AddReset(context.Context, ResetVerb) error
	// Reset returns the account of a link that is good at now, by the SHA-256
	// of its secret; NotFound for every other.
	Reset(ctx context.Context, hash [32]byte, now time.Time) (Account, error)
	// UseReset sets the password of the link's account and returns its number;
	// NotFound for a link that is not good. Of several at once one succeeds.
	UseReset(context.Context, UseResetVerb) (int64, error)
}

// AddVerb makes an account.
type AddVerb struct {
	By           By
	Now          time.Time
	Name         string
	Type         string
	Display      string
	Email        string
	PasswordHash string // "" for none
	Groups       []string
	Identities   []Identity // LinkedAt is not looked at: it is Now
}

// SetVerb changes an account. Nil fields stay as they are.
type SetVerb struct {
	By           By
	Now          time.Time
	Name         string
	Display      *string
	Email        *string
	Type         *string
	PasswordHash *string
	AddGroups    []string
	RemoveGroups []string
	Attrs        map[string]string // :: "service.key" → new value, "" removes
}

// FindVerb names what an account may be known by; zero fields find nothing.
type FindVerb struct {
	Number  int64
	Name    string // also as the beginning of a name
	Email   string // in any case
	Subject string // at any provider, or the id in any service
	Limit   int
}

// LinkVerb gives an account an identity.
type LinkVerb struct {
	By       By
	Now      time.Time
	Account  int64
	Identity Identity // LinkedAt is not looked at: it is Now
}

// UnlinkVerb takes an identity from an account.
type UnlinkVerb struct {
	By       By
	Now      time.Time
	Account  int64
	Provider string
	Subject  string
}

// JoinVerb makes one account of two different ones.
type JoinVerb struct {
	By         By
	Now        time.Time
	Into, From int64
}

// PasswordVerb sets a password.
type PasswordVerb struct {
	By      By
	Now     time.Time
	Account int64
	Hash    string // PHC string
	Keep    int64  // a browser's grant that stays signed in; 0 for none
	First   bool   // there must be no password yet
}

// ResetVerb makes a one-time link.
type ResetVerb struct {
	By      By
	Now     time.Time
	Name    string
	Hash    [32]byte // SHA-256 of its secret
	Expires time.Time
}

// UseResetVerb uses one up.
type UseResetVerb struct {
	By           By
	Now          time.Time
	Hash         [32]byte // SHA-256 of the link's secret
	PasswordHash string
}

// Filter selects accounts; zero fields select everything.
type Filter struct {
	Group  string
	Type   string
	Status string
	Prefix string // of the sign-in name, in any case
	Limit  int    // 0 means 1000
}
