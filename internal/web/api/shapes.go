package api

import (
	"slices"
	"strings"
	"time"

	"symbolon/internal/account"
	"symbolon/internal/audit"
	"symbolon/internal/token"
)

// utc is a time as the API writes it: whole seconds of UTC.
func utc(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }

// at is null for no time.
func at(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = utc(t)
	return &t
}

func seconds(d time.Duration) int64 { return int64(d / time.Second) }

// page is one part of a list.
type page[T any] struct {
	Items []T     `json:"items" doc:"Newest first."`
	Next  *string `json:"next" doc:"The cursor for the page that follows; null on the last."`
}

// list is one that fits one answer.
type list[T any] struct {
	Items []T `json:"items"`
}

// every makes the items of an answer; none is an empty list, not null.
func every[F, T any](from []F, shape func(F) T) []T {
	out := make([]T, 0, len(from))
	for _, f := range from {
		out = append(out, shape(f))
	}
	return out
}

// accountInfo is an account.
type accountInfo struct {
	ID          int64             `json:"id"`
	Name        string            `json:"name" doc:"Sign-in name."`
	Type        string            `json:"type" enum:"person,application"`
	Status      string            `json:"status" enum:"active,disabled,deleted"`
	Display     string            `json:"display" doc:"Name as people write it; may be empty."`
	Email       string            `json:"email" doc:"May be empty."`
	HasPassword bool              `json:"has_password"`
	Identities  []identityInfo    `json:"identities" doc:"Ways to sign in, oldest first."`
	Groups      []string          `json:"groups" doc:"Names of the groups it is in."`
	Subjects    map[string]string `json:"subjects" doc:"The service's own id of the account, by service."`
	Attributes  map[string]string `json:"attributes" doc:"Values by SERVICE.KEY."`
	Created     time.Time         `json:"created"`
	Updated     time.Time         `json:"updated"`
}

// identityInfo is one way to sign in.
type identityInfo struct {
	Provider string     `json:"provider" example:"orcid"`
	Subject  string     `json:"subject" doc:"The provider's name for the person."`
	Name     string     `json:"name"`
	Email    string     `json:"email"`
	Linked   *time.Time `json:"linked"`
}

func accountOf(a account.Account) accountInfo {
	return accountInfo{ID: a.ID, Name: a.Name, Type: a.Type, Status: a.Status, Display: a.Display, Email: a.Email,
		HasPassword: a.HasPassword, Identities: every(a.Identities, identityOf), Groups: every(a.Groups, same),
		Subjects: texts(a.Subjects), Attributes: texts(a.Attrs), Created: utc(a.CreatedAt), Updated: utc(a.UpdatedAt)}
}

func identityOf(i account.Identity) identityInfo {
	return identityInfo{Provider: i.Provider, Subject: i.Subject, Name: i.Name, Email: i.Email, Linked: at(i.LinkedAt)}
}

func same(s string) string { return s }

// texts is an empty object rather than null.
func texts(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}

// tokenInfo is a grant: a sign-in, pair, application token, API key or browser.
type tokenInfo struct {
	ID        int64      `json:"id"`
	Account   int64      `json:"account"`
	Service   string     `json:"service" doc:"Empty for an API key and a browser, which are of no one service."`
	Kind      string     `json:"kind" enum:"session,pair,application,apikey,browser,servicekey" doc:"session: a sign-in at a service; pair: a generated pair; browser: a browser, or a session of this API."`
	Name      string     `json:"name" doc:"May be empty. Of a browser, how it signed in."`
	State     string     `json:"state" enum:"live,waiting,expired,revoked" doc:"waiting: before its valid_from."`
	Reason    string     `json:"reason" doc:"Why it was revoked."`
	Created   time.Time  `json:"created"`
	From      string     `json:"created_from" doc:"Address it was made from; empty when that is no longer kept."`
	Agent     string     `json:"agent" doc:"Program it was made with."`
	ValidFrom *time.Time `json:"valid_from"`
	Expires   *time.Time `json:"expires" doc:"End of the refresh token or key; null for none."`
	Cap       *time.Time `json:"cap" doc:"Absolute end, that no refresh and no use passes."`
	Revoked   *time.Time `json:"revoked"`
	Refreshed *time.Time `json:"refreshed"`
	LastUsed  *time.Time `json:"last_used" doc:"At least this recent; null for never."`
	UsedFrom  string     `json:"last_used_from" doc:"Address of a use that told one; empty when that is not kept, or no longer."`
	Uses      int64      `json:"uses" doc:"At least this many."`
	Preview   string     `json:"preview" doc:"First characters of an API key."`
	Group     *int64     `json:"group" doc:"The group that an API key acts for."`
	MadeWith  *int64     `json:"made_with" doc:"The API key it was made with, and ends with."`
	Bound     *int64     `json:"revocation_bound_seconds" doc:"The longest time until it is refused everywhere once it is ended; null where it cannot be ended."`
}

func (a *API) tokenOf(g token.Grant) tokenInfo {
	bound := a.boundOf(g.Service, g.Kind)
	if g.Kind == token.Browser {
		bound = a.ownBound()
	}
	return tokenInfo{ID: g.ID, Account: g.Account, Service: g.Service, Kind: string(g.Kind), Name: g.Label,
		State: g.State(a.Now()), Reason: g.RevokedReason, Created: utc(g.IssuedAt), From: g.Addr, Agent: g.Agent,
		ValidFrom: at(g.NotBefore), Expires: at(g.ExpiresAt), Cap: at(g.Cap), Revoked: at(g.RevokedAt), Refreshed: at(g.RotatedAt),
		LastUsed: at(g.LastUsedAt), UsedFrom: g.LastAddr, Uses: g.UseCount, Preview: g.Preview, Group: number(g.Group), MadeWith: number(g.Parent),
		Bound: bound}
}

// ownBound is how soon a browser that was signed out is refused here, on every server.
func (a *API) ownBound() *int64 {
	n := seconds(time.Duration(a.Config.RevocationBound))
	return &n
}

// boundOf is how soon what is ended is refused by all who check tokens of the service, or by
// everybody where that is ""; null where some of it goes on.
func (a *API) boundOf(service string, kinds ...token.GrantKind) *int64 {
	bound := time.Duration(a.Config.RevocationBound)
	for _, c := range a.Config.Services {
		if service != "" && service != c.Name {
			continue
		}
		d, never := c.RevocationBound(a.Config)
		if never && slices.Contains(kinds, token.Application) {
			return nil
		}
		bound = max(bound, d)
	}
	n := seconds(bound)
	return &n
}

// number is null for 0, which is nobody's.
func number(n int64) *int64 {
	if n == 0 {
		return nil
	}
	return &n
}

// eventInfo is a line of the audit log.
type eventInfo struct {
	ID      int64     `json:"id"`
	At      time.Time `json:"at"`
	Kind    string    `json:"kind" example:"grant_issued"`
	Actor   string    `json:"actor" doc:"Who did it: account, key, token, operator, server, or account and a number for an admin."`
	Account *int64    `json:"account"`
	Token   *int64    `json:"token" doc:"Number of the token, key or browser."`
	Service string    `json:"service"`
	Addr    string    `json:"addr"`
	Agent   string    `json:"agent"`
	Detail  string    `json:"detail"`
}

func eventOf(e audit.Event) eventInfo {
	return eventInfo{ID: e.ID, At: utc(e.At), Kind: string(e.Kind), Actor: e.Actor, Account: number(e.Account), Token: number(e.Grant),
		Service: e.Service, Addr: e.Addr, Agent: e.Agent, Detail: e.Detail}
}

// groupInfo is a group with its members.
type groupInfo struct {
	ID      int64    `json:"id"`
	Name    string   `json:"name"`
	UID     string   `json:"uid" doc:"32 hex digits that stay the same for life."`
	Owner   string   `json:"owner"`
	Members []string `json:"members" doc:"Sign-in names."`
}

func groupOf(g account.Group) groupInfo {
	return groupInfo{ID: g.ID, Name: g.Name, UID: g.UID, Owner: g.Owner, Members: every(g.Members, same)}
}

// owns reports whether the visitor owns the group.
func (v *visitor) owns(g account.Group) bool {
	return g.Owner != "" && account.Key(g.Owner) == account.Key(v.Name)
}

// named returns the first group of that name, in any case.
func named(groups []account.Group, name string) (account.Group, bool) {
	i := slices.IndexFunc(groups, func(g account.Group) bool { return strings.EqualFold(g.Name, name) })
	if i < 0 {
		return account.Group{}, false
	}
	return groups[i], true
}
