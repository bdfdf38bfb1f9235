package api

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"symbolon/internal/token"
)

// kept are the kinds in a list of tokens that names none. Browsers have a list of their own.
var kept = []token.GrantKind{token.Session, token.Pair, token.Application, token.APIKey}

// Selection is which tokens are wanted.
type Selection struct {
	Service string `query:"service" maxLength:"32" doc:"Of this service only."`
	Kind    string `query:"kind" enum:"session,pair,application,apikey,browser" doc:"Of this kind only; left out, all but browsers."`
	State   string `query:"state" enum:"live,waiting,expired,revoked" doc:"In this state only."`
	Paging
}

// ByID names one thing by its number.
type ByID struct {
	ID int64 `path:"id" minimum:"1" doc:"Its number."`
}

// wanted is a pair to be made.
type wanted struct {
	Service string `json:"service" minLength:"1" maxLength:"32" doc:"Name of the service, as in the list of services."`
	Name    string `json:"name" minLength:"1" maxLength:"100" doc:"What it is for, to find it in the list."`
}

// made is a new token with its texts.
type made struct {
	Token         tokenInfo         `json:"token"`
	Texts         map[string]string `json:"texts" doc:"The tokens by their names on the service's wire. They are shown this once: whoever holds them acts as the account."`
	AccessExpires *time.Time        `json:"access_expires" doc:"End of the access token; null for none."`
	Ended         []int64           `json:"ended" doc:"What was ended to make room."`
}

// sweep is what to end at once.
type sweep struct {
	Service  string `json:"service,omitempty" maxLength:"32" doc:"Of this service only; left out, everywhere, and browsers too."`
	KeepKeys bool   `json:"keep_keys,omitempty" doc:"Spare the API keys. With a service they are spared always, being of none."`
	EndThis  bool   `json:"end_this,omitempty" doc:"End the session or key that asks, too."`
}

// swept is what ended.
type swept struct {
	Ended int    `json:"ended" doc:"How many tokens, keys and browsers were ended."`
	Bound *int64 `json:"revocation_bound_seconds" doc:"The longest time until they are refused everywhere; null where some cannot be ended."`
}

func (a *API) tokens() {
	op := func(id, method, path, summary, text string, errs ...int) huma.Operation {
		return huma.Operation{OperationID: id, Method: method, Path: path, Tags: []string{tagTokens}, Summary: summary, Description: text, Errors: errs}
	}
	declare(a, op("list-tokens", http.MethodGet, "/tokens", "List my tokens", "", http.StatusUnprocessableEntity), a.listTokens)
	making := op("make-pair", http.MethodPost, "/tokens", "Generate a token pair",
		"One over the service's limit ends the oldest. With an API key the pair ends when the key does.", http.StatusNotFound, http.StatusConflict)
	making.DefaultStatus = http.StatusCreated
	declare(a, making, a.makePair)
	declare(a, op("get-token", http.MethodGet, "/tokens/{id}", "One token of mine, of any kind", "", http.StatusNotFound), a.getToken)
	declare(a, op("end-token", http.MethodDelete, "/tokens/{id}", "End one token of mine, of any kind",
		"Ending one that has ended changes nothing.", http.StatusNotFound), a.endToken)
	declare(a, op("end-all-tokens", http.MethodPost, "/tokens/revoke-all", "Revoke all JWTs",
		"Ends every pair, sign-in, application token and browser, and every API key unless told otherwise.", http.StatusNotFound), a.endAll)
}

func (a *API) listTokens(ctx context.Context, v *visitor, in *Selection) (*answer[page[tokenInfo]], error) {
	return a.list(ctx, v.caller(), v.ID, *in)
}

// page is one part of an account's grants.
func (a *API) list(ctx context.Context, by token.Caller, id int64, in Selection) (*answer[page[tokenInfo]], error) {
	f := token.Filter{Account: id, Service: in.Service, Kinds: kept, Before: in.before(), Live: in.State == "live"}
	if in.Kind != "" {
		f.Kinds = []token.GrantKind{token.GrantKind(in.Kind)}
	}
	grants, err := a.inState(ctx, by, f, in.State, in.Limit+1)
	if err != nil {
		return nil, err
	}
	var next *string
	if len(grants) > in.Limit {
		grants = grants[:in.Limit]
		next = cursorAt(grants[in.Limit-1].ID)
	}
	return say(page[tokenInfo]{every(grants, a.tokenOf), next}), nil
}

// inState reads on until there are enough grants in the state; "" is any.
func (a *API) inState(ctx context.Context, by token.Caller, f token.Filter, state string, enough int) ([]token.Grant, error) {
	var found []token.Grant
	for f.Limit = 1000; ; {
		grants, err := a.Engine.List(ctx, by, f)
		if err != nil {
			return nil, err
		}
		for _, g := range grants {
			if state == "" || g.State(a.Now()) == state {
				found = append(found, g)
			}
		}
		if len(found) >= enough || len(grants) < f.Limit {
			return found, nil
		}
		f.Before = grants[len(grants)-1].ID
	}
}

func (a *API) makePair(ctx context.Context, v *visitor, in *body[wanted]) (*answer[made], error) {
	req := token.IssueRequest{Service: in.Body.Service, Kind: token.Pair, Account: v.ID, Label: in.Body.Name}
	if v.by.Kind == token.APIKey {
		if a.hasService(req.Service) && !a.Engine.TakesKeys(req.Service) {
			return nil, refuse(http.StatusForbidden, fmt.Sprintf("service %s takes no API keys; sign in for a session token", req.Service))
		}
		req.Key = v.key
	}
	t, err := a.Engine.Issue(ctx, v.caller(), req)
	if err != nil {
		return nil, err
	}
	return a.handOut(ctx, t)
}

// handOut is the one answer that shows the texts.
func (a *API) handOut(ctx context.Context, t token.Tokens) (*answer[made], error) {
	handed, err := a.Handed(ctx, t)
	if err != nil {
		return nil, err
	}
	m := made{Token: a.tokenOf(t.Grant), Texts: map[string]string{}, AccessExpires: at(t.Expires), Ended: append([]int64{}, t.Ended...)}
	for _, h := range handed {
		m.Texts[h.Name] = h.Text.Reveal()
	}
	return say(m), nil
}

func (a *API) hasService(name string) bool {
	for _, c := range a.Config.Services {
		if c.Name == name {
			return true
		}
	}
	return false
}

func (a *API) getToken(ctx context.Context, v *visitor, in *ByID) (*answer[tokenInfo], error) {
	g, err := a.find(ctx, v.caller(), v.ID, in.ID)
	if err != nil {
		return nil, err
	}
	return say(a.tokenOf(g)), nil
}

// find returns one grant of the account, of any of the kinds; 0 is any account, for operators.
func (a *API) find(ctx context.Context, by token.Caller, owner, id int64, kinds ...token.GrantKind) (token.Grant, error) {
	grants, err := a.Engine.List(ctx, by, token.Filter{Account: owner, Kinds: kinds, Before: id + 1, Limit: 1})
	if err != nil {
		return token.Grant{}, err
	}
	if len(grants) == 0 || grants[0].ID != id {
		return token.Grant{}, refuse(http.StatusNotFound, fmt.Sprintf("there is no %d of yours here", id))
	}
	return grants[0], nil
}

func (a *API) endToken(ctx context.Context, v *visitor, in *ByID) (*none, error) {
	return a.end(ctx, v, in.ID)
}

// end ends a grant of the visitor's, of any of the kinds.
func (a *API) end(ctx context.Context, v *visitor, id int64, kinds ...token.GrantKind) (*none, error) {
	g, err := a.find(ctx, v.caller(), v.ID, id, kinds...)
	if err != nil {
		return nil, err
	}
	_, err = a.Engine.Revoke(ctx, v.caller(), token.RevokeRequest{Grant: g.ID, Reason: "revoked by the person"})
	return nil, err
}

func (a *API) endAll(ctx context.Context, v *visitor, in *body[sweep]) (*answer[swept], error) {
	if in.Body.Service != "" && !a.hasService(in.Body.Service) {
		return nil, refuse(http.StatusNotFound, fmt.Sprintf("there is no service %q", in.Body.Service))
	}
	req := token.RevokeRequest{Account: v.ID, Service: in.Body.Service, Reason: "all revoked by the person",
		Kinds: []token.GrantKind{token.Session, token.Pair, token.Application, token.Browser}}
	if !in.Body.KeepKeys {
		req.Kinds = slices.Concat(req.Kinds, []token.GrantKind{token.APIKey})
	}
	if !in.Body.EndThis {
		req.Except = v.by.ID
	}
	ended, err := a.Engine.Revoke(ctx, v.caller(), req)
	if err != nil {
		return nil, err
	}
	return say(swept{Ended: len(ended.Grants), Bound: a.boundOf(in.Body.Service, req.Kinds...)}), nil
}
