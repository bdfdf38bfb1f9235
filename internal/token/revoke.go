package token

import (
	"context"
)

// RevokeRequest says what ends. Exactly one of Grant, Account and Token is set.
type RevokeRequest struct {
	Reason  string // for the audit line and the owner's page
	Grant   int64
	Account int64
	Service string      // limits Account, and is Token's service
	Kinds   []GrantKind // limits Account; empty means every kind
	Except  int64       // a grant of Account that stays, such as the browser that asks; 0 spares none
	Token   string      // a refresh token: whoever holds it may end it
}

// Revoke ends grants for good: on this node from the next request on, elsewhere
// within the bound. A grant of another account is NotFound. A Token that is not
// its grant's present one is judged as a replay and refused.
func (e *Engine) Revoke(ctx context.Context, by Caller, req RevokeRequest) (_ Ended, failed error) {
	defer e.done("revoke", e.now(), &failed)
	v := RevokeVerb{By: by, Now: e.now(), Reason: req.Reason, Grant: req.Grant, Account: req.Account,
		Service: req.Service, Kinds: req.Kinds, Except: req.Except}
	switch {
	case count(req.Token != "", req.Grant != 0, req.Account != 0) != 1:
		return Ended{}, Refuse(Malformed, "exactly one of token, grant and account must be named")
	case req.Token != "":
		return e.revokeToken(ctx, v, req)
	case by.Operator:
	case by.Account != 0 && req.Grant != 0:
		v.Owner = by.Account
	case by.Account == 0 || by.Account != req.Account:
		return Ended{}, Refuse(Forbidden, "an account ends its own tokens only")
	}
	return e.revoke(ctx, v)
}

// count returns how many of the conditions hold.
func count(conditions ...bool) (n int) {
	for _, c := range conditions {
		if c {
			n++
		}
	}
	return n
}

func (e *Engine) revokeToken(ctx context.Context, v RevokeVerb, req RevokeRequest) (Ended, error) {
	svc, err := e.service(req.Service)
	if err != nil {
		return Ended{}, err
	}
	if err := notNow(e.news.clock(v.Now)); err != nil {
		return Ended{}, err
	}
	c, err := e.open(svc, req.Token)
	if err != nil {
		return Ended{}, err
	}
	if err := e.inTime(v.Now, svc, c, []Kind{Refresh}); err != nil {
		return Ended{}, err
	}
	v.Grant, v.Possession, v.Nonce, v.Generation, v.Window = c.Grant, true, c.Nonce, c.Generation, svc.ReplayWindow
	v.Service = ""
	ended, err := e.revoke(ctx, v)
	if err == nil && ended.Outcome != "" {
		err = outcomeError(ended.Outcome, c)
	}
	return ended, err
}

// EndAccount revokes all an account has and makes it disabled or deleted, in
// one transaction. Operators may, and an account may delete itself; enabling
// again revives nothing. Of a deleted one the audit keeps the number.
func (e *Engine) EndAccount(ctx context.Context, by Caller, account int64, status, reason string) (_ Ended, failed error) {
	defer e.done("end_account", e.now(), &failed)
	itself := by.Account != 0 && by.Account == account && status == "deleted"
	if !by.Operator && !itself {
		return Ended{}, Refuse(Forbidden, "only operators disable accounts and delete those of others")
	}
	return e.revoke(ctx, RevokeVerb{By: by, Now: e.now(), Reason: reason, Account: account, Status: status})
}

func (e *Engine) revoke(ctx context.Context, v RevokeVerb) (Ended, error) {
	ended, err := e.store.Revoke(ctx, v)
	if err != nil {
		return Ended{}, err
	}
	e.apply(ended)
	return ended, nil
}

// apply makes a committed revocation true in this process at once; the feed
// brings it again.
func (e *Engine) apply(x Ended) {
	e.ended.grants(x.Grants)
	e.allowed.drop(x.Grants)
	var entries []Entry
	for _, c := range x.Cutoffs {
		entries = append(entries, Entry{Kind: EntryCutoff, Service: c.Service, Name: c.Name, At: c.At, Until: c.Until})
	}
	e.ended.apply(entries)
}

// List returns grants, newest first. An account sees its own only.
func (e *Engine) List(ctx context.Context, by Caller, f Filter) ([]Grant, error) {
	if !by.Operator && (by.Account == 0 || by.Account != f.Account) {
		return nil, Refuse(Forbidden, "an account lists its own tokens only")
	}
	f.Now = e.now()
	return e.store.List(ctx, f)
}
