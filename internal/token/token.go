// Package token is the engine: it issues, refreshes, exchanges, verifies and
// revokes, and knows nothing of HTTP, SQL or any dialect's wire.
//
// Everything hangs on the grant: one row for one sign-in, one generated pair,
// one API key. A token is minted from a grant and carries its number; the
// number is a place in a bit list, so that verifying touches no store. A
// refresh token also carries the grant's nonce and generation, so that a
// replay is recognised by comparing two numbers and no row per token exists.
//
// Every verb takes its caller, decides whether that caller may, and hands the
// store one whole transition with its audit line.
package token

import (
	"slices"
	"strings"
	"time"
)

// Kind is what one token is for; a token of one kind never passes as another.
type Kind string

// The kinds of token.
const (
	Access  Kind = "access"
	Refresh Kind = "refresh"
)

// GrantKind is what made a grant.
type GrantKind string

// The kinds of grant.
const (
	Session     GrantKind = "session"     // a sign-in
	Pair        GrantKind = "pair"        // a generated token pair
	APIKey      GrantKind = "apikey"      // a machine secret of an account
	Application GrantKind = "application" // a token without an end
	ServiceKey  GrantKind = "servicekey"  // a secret of the operator's, in one service's configuration
	Browser     GrantKind = "browser"     // a browser signed in to our own pages; no token is minted from it
)

// Grant is the one row behind any number of tokens. Zero times mean "none".
type Grant struct {
	ID      int64
	Nonce   int64  // random; a refresh token must repeat it
	Account int64  // 0 for a ServiceKey
	Service string // "" for a Browser and for an APIKey, which works in every service that takes keys
	Kind    GrantKind
	Label   string
	Scope   string
	Subject string // the service's own id for the account
	Parent  int64  // the API key it was made with; ends with it
	Group   int64  // the group an API key acts for instead of its account

	ReplacedBy int64 // made in its place; it is revoked when its end comes, with all that was minted from it

	Generation int64 // how often the refresh token has been rotated
	IssuedAt   time.Time
	RotatedAt  time.Time
	NotBefore  time.Time
	ExpiresAt  time.Time // the refresh token's or the key's end; of a Browser, when it has been idle for too long
	Cap        time.Time // no refresh, and no use of a Browser, moves ExpiresAt past it

	RevokedAt     time.Time
	RevokedReason string
	Preview       string // first characters of an API key

	LastUsedAt time.Time // at least this recent: flushed once a minute
	LastAddr   string    // from where it was last used, where a verb had a caller; forgotten with time
	UseCount   int64     // at least this many
	Addr       string    // where it was made from; forgotten with time, as Agent is
	Agent      string
}

// Live reports whether the grant is neither revoked nor past its end at now.
func (g Grant) Live(now time.Time) bool {
	return g.RevokedAt.IsZero() && (g.ExpiresAt.IsZero() || now.Before(g.ExpiresAt))
}

// State names what a person should see of the grant: live, waiting, expired or revoked.
func (g Grant) State(now time.Time) string {
	switch {
	case !g.RevokedAt.IsZero():
		return "revoked"
	case !g.ExpiresAt.IsZero() && !now.Before(g.ExpiresAt):
		return "expired"
	case now.Before(g.NotBefore):
		return "waiting"
	}
	return "live"
}

// Identity is one way an account signs in: a provider and its name for the person.
type Identity struct {
	Provider string // "password", "ldap", "orcid", …
	Subject  string
	Name     string // as the provider first gave it; may be empty
	Email    string // as the provider gave it; never used to find an account
	LinkedAt time.Time
}

// Group is a set of accounts with an owner.
type Group struct {
	ID    int64
	Name  string
	UID   string // 32 random hex digits, stable for life
	Owner int64
}

// Subject is an account as one service sees it, read at one moment.
type Subject struct {
	Account    int64
	Name       string // sign-in name
	Type       string // "person" or "application"
	Display    string // "First Last"; may be empty
	Email      string
	Active     bool
	ID         string            // the service's own id for it
	Former     Former            // what accounts were called that were joined into it
	Identities []Identity        // oldest first
	Groups     []Group           // by name
	Attrs      map[string]string // :: key → value, of this service alone, without its name before the key
	Acting     *Group            // set when an API key acts for a group of the account
}

// Former is what accounts were called that are one with another now: they are that one.
type Former struct {
	Names []string // sign-in names
	IDs   []string // the service's own ids
}

// HasIdentity reports whether the subject has an identity of the provider.
func (s Subject) HasIdentity(provider string) bool {
	return slices.ContainsFunc(s.Identities, func(i Identity) bool { return i.Provider == provider })
}

// InGroup reports whether the subject is a member of the group of that name.
func (s Subject) InGroup(name string) bool {
	return slices.ContainsFunc(s.Groups, func(g Group) bool { return g.Name == name })
}

// Claims is what the engine reads out of any dialect's token. Zero times mean
// that the token has no such claim.
type Claims struct {
	Kind       Kind
	Grant      int64
	Nonce      int64 // refresh tokens of rotating services
	Generation int64 // refresh tokens of rotating services
	ID         [16]byte
	Subject    string // the service's id; "" where the dialect names Login instead
	Login      string // the account's sign-in name
	IssuedAt   time.Time
	NotBefore  time.Time
	Expires    time.Time
	Cap        time.Time
	Wire       any // the dialect's own view of the token, read-only
}

// names reports whether the claims are of the subject, or of an account that was joined into it.
func (c Claims) names(sub Subject) bool {
	if c.Subject == "" {
		return c.Login == sub.Name || slices.Contains(sub.Former.Names, c.Login)
	}
	return c.Subject == sub.ID || slices.Contains(sub.Former.IDs, c.Subject)
}

// Mint is what a dialect needs to lay out one token. A zero Expires is an
// application token's.
type Mint struct {
	Kind     Kind
	Alg, KID string // of the key that will sign
	ID       [16]byte
	Grant    Grant
	Subject  Subject // only ID is set where the store was not read
	IssuedAt time.Time
	Expires  time.Time
	Cap      time.Time
	Prior    *Claims // the token being refreshed without a store, else nil
	Status   *Status // where the token's bit stands, for an access token; may be nil
}

// Format is a dialect's layout of tokens. It must be pure: equal input gives
// equal bytes, since a lost answer is repaired by minting the same token again.
type Format interface {
	// Mint returns the exact protected header and payload of one token.
	Mint(m Mint) (header, payload []byte, err error)
	// Read returns the claims of a payload whose signature has been checked
	// with a key for tokens of the given kind. It checks types and presence,
	// not times.
	Read(key Kind, kid string, payload []byte) (Claims, error)
}

// Replay says what the direct predecessor of a refresh token gets inside the window.
type Replay string

// The replay policies. The zero value is RefuseReplay.
const (
	RefuseReplay Replay = "refuse"
	SameReplay   Replay = "same"
)

// Service is what the engine knows of one configured mount. It is read-only
// once the engine has it.
type Service struct {
	Name            string
	Format          Format
	AccessLifetime  time.Duration
	RefreshLifetime time.Duration // rotating services only
	Cap             time.Duration // from sign-in to the last possible end; 0 means none
	Rotates         bool
	Replay          Replay
	ReplayWindow    time.Duration
	Limits          map[GrantKind]int // :: kind → most live grants an account may have; the oldest ends
	Types           []string          // account types admitted; empty admits all
	Groups          []string          // an account must be in one of them; empty admits all
	RequireIdentity string            // provider a person must have linked; "" asks for none
	RequireAttr     string            // attribute that must be 1, true or yes; "" asks for none
	TakesKeys       bool              // API keys may be exchanged here
	NoTokenID       bool              // tokens carry no identifier: Mint.ID stays zero
	// ApplicationLife and ApplicationIdle end application tokens so long after
	// they were made, or last used; 0 never does.
	ApplicationLife, ApplicationIdle time.Duration
	// NewSubject gives the service's id for an account that has none yet; ""
	// asks for the next number. nil always asks for the next number.
	NewSubject func(Subject) string
	// Names lists what tokens that name a person rather than a grant call the
	// subject; they are cut off when the subject's grants are revoked. May be nil.
	Names     func(Subject) []string
	NamesLive time.Duration // how long such a token can live
	// ServiceKey is the SHA-256 of the operator's secret that mints a token for
	// any subject (ExchangeFor); the zero value turns that off.
	ServiceKey [32]byte
	// System answers for subject ids that no account stands behind. May be nil.
	System func(id string) (Subject, bool)
}

// Restricted reports whether Admit asks for more than an active account.
func (s *Service) Restricted() bool {
	return len(s.Types)+len(s.Groups) > 0 || s.RequireIdentity != "" || s.RequireAttr != ""
}

// Admit refuses, with Forbidden, a subject that the service is not for.
func (s *Service) Admit(sub Subject) error {
	switch {
	case !sub.Active:
		return Refuse(Forbidden, "the account is not active")
	case len(s.Types) > 0 && !slices.Contains(s.Types, sub.Type):
		return Refuse(Forbidden, "service %s is not for accounts of type %s", s.Name, sub.Type)
	case len(s.Groups) > 0 && !slices.ContainsFunc(s.Groups, sub.InGroup):
		return Refuse(Forbidden, "service %s is for members of %s only", s.Name, strings.Join(s.Groups, " or "))
	case s.RequireIdentity != "" && sub.Type == "person" && !sub.HasIdentity(s.RequireIdentity):
		return Refuse(Forbidden, "service %s asks for a linked %s identity", s.Name, s.RequireIdentity)
	case s.RequireAttr != "" && !slices.Contains([]string{"1", "true", "yes"}, strings.ToLower(sub.Attrs[s.RequireAttr])):
		return Refuse(Forbidden, "service %s asks for the attribute %s", s.Name, s.RequireAttr)
	}
	return nil
}

// Caller is who asks for a verb, for the permission check and the audit line.
type Caller struct {
	Actor    string // "operator", "token", "key", "account"
	Operator bool   // whoever may run commands on the server's own data
	Account  int64  // a signed-in account
	Service  string // the one service whose admin asks; "" for everybody else
	Addr     string
	Agent    string
}

// Operator is the caller of a command typed on the server.
func Operator() Caller { return Caller{Actor: "operator", Operator: true} }
