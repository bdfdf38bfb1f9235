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
	Groups
	SignIns
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
	// identity; NotFound if none ever did.
	ByIdentity(ctx context.Context, provider, subject string) (Account, error)
	// Accounts returns the accounts a filter matches, by name.
	Accounts(context.Context, Filter) ([]Account, error)
	// FindAccounts returns, at most Limit and the exact ones first, the accounts
	// with what the verb names in common; deleted ones by name and number alone.
	FindAccounts(context.Context, FindVerb) ([]Account, error)
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
	// Password returns the number and password hash of an active account.
	// Every other name, that of an unknown, disabled or deleted account or of
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

// Filter selects accounts; zero fields select everything.
type Filter struct {
	Group  string
	Type   string
	Status string
	Prefix string // of the sign-in name, in any case
	Limit  int    // 0 means 1000
}
