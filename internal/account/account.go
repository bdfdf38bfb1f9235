// Package account owns accounts, groups and passwords: what names and fields
// may look like, how passwords are hashed and checked, and how sign-in by
// password withstands guessing. It knows nothing of HTTP, SQL or tokens; what
// it needs kept it asks of its Store.
//
// Disabling and deleting an account end its tokens, and are therefore verbs of
// the engine, not of this package.
package account

import (
	"slices"
	"time"
)

// The types of account.
const (
	Person      = "person"
	Application = "application"
)

// The statuses of an account. A deleted one keeps its name, identities and
// subjects, so that nobody is ever given them again.
const (
	Active   = "active"
	Disabled = "disabled"
	Deleted  = "deleted"
)

// PasswordProvider is the provider of the identity every account has: its own
// sign-in name, in lower case.
const PasswordProvider = "password"

// Account is a person or an application, as it was when it was read.
type Account struct {
	ID          int64
	Name        string // sign-in name as it was given; compared by Key
	Type        string // Person or Application
	Status      string // Active, Disabled or Deleted
	Display     string // "First Last"; may be empty
	Email       string // may be empty; never used to find an account
	HasPassword bool
	Identities  []Identity        // oldest first
	Groups      []string          // names, sorted
	Subjects    map[string]string // :: service → the service's own id for the account
	Attrs       map[string]string // :: "service.key" → value
	CreatedAt   time.Time
	UpdatedAt   time.Time
}

// has reports whether the account has the identity now.
func (a Account) has(provider, subject string) bool {
	return slices.ContainsFunc(a.Identities, func(i Identity) bool { return i.Provider == provider && i.Subject == subject })
}

// Identity is one way an account signs in: a provider and its name for the person.
type Identity struct {
	Provider string // "password", "ldap", "orcid", …
	Subject  string
	Name     string // as the provider first gave it; may be empty
	Email    string // as the provider gave it; may be empty
	LinkedAt time.Time
}

// Group is a set of accounts.
type Group struct {
	ID        int64
	Name      string
	UID       string   // 32 random hex digits, stable for life
	Owner     string   // sign-in name of the account that owns it, or ""
	Members   []string // sign-in names, sorted
	CreatedAt time.Time
}

// By is who asks for a verb and from where, for the audit line.
type By struct {
	Actor string // "operator", "account", "server", …
	Addr  string
	Agent string
}
