package api

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"symbolon/internal/token"
)

// wantedKey is an API key to be made.
type wantedKey struct {
	Name  string    `json:"name" minLength:"1" maxLength:"100" doc:"What it is for, to find it in the list."`
	From  time.Time `json:"from,omitzero" doc:"First moment at which it is valid; left out, now."`
	To    time.Time `json:"to" doc:"First moment at which it is no longer valid."`
	Group string    `json:"group,omitempty" maxLength:"64" doc:"Name of a group that you own, to act for it. Left out, it acts as you."`
}

// madeKey is a new API key with its secret.
type madeKey struct {
	Token tokenInfo `json:"token"`
	Key   string    `json:"key" doc:"The secret, shown this once."`
}

func (a *API) keys() {
	op := func(id, method, path, summary, text string, errs ...int) huma.Operation {
		return huma.Operation{OperationID: id, Method: method, Path: path, Tags: []string{tagKeys}, Summary: summary, Description: text, Errors: errs}
	}
	declare(a, op("list-keys", http.MethodGet, "/keys", "List my API keys", "", http.StatusUnprocessableEntity), a.listKeys)
	making := op("make-key", http.MethodPost, "/keys", "Make an API key", "Takes a session.", http.StatusNotFound)
	making.DefaultStatus = http.StatusCreated
	declare(a, making, a.makeKey)
	declare(a, op("end-key", http.MethodDelete, "/keys/{id}", "End an API key", "Tokens made with it end too.", http.StatusNotFound), a.endKey)
}

// pageIn is a list of one kind.
type pageIn struct {
	State string `query:"state" enum:"live,waiting,expired,revoked" doc:"In this state only."`
	Paging
}

func (a *API) listKeys(ctx context.Context, v *visitor, in *pageIn) (*answer[page[tokenInfo]], error) {
	return a.list(ctx, v.caller(), v.ID, Selection{Kind: string(token.APIKey), State: in.State, Paging: in.Paging})
}

func (a *API) makeKey(ctx context.Context, v *visitor, in *body[wantedKey]) (*answer[madeKey], error) {
	if err := v.inSession(); err != nil {
		return nil, err
	}
	req := token.KeyRequest{Account: v.ID, Label: in.Body.Name, From: in.Body.From, To: in.Body.To}
	if in.Body.Group != "" {
		own, err := a.owned(ctx, v)
		if err != nil {
			return nil, err
		}
		g, ok := named(own, in.Body.Group)
		if !ok {
			return nil, refuse(http.StatusForbidden, fmt.Sprintf("you own no group called %q", in.Body.Group))
		}
		req.Group = g.ID
	}
	text, g, err := a.Engine.MakeKey(ctx, v.caller(), req)
	if err != nil {
		return nil, err
	}
	return say(madeKey{Token: a.tokenOf(g), Key: text.Reveal()}), nil
}

func (a *API) endKey(ctx context.Context, v *visitor, in *ByID) (*none, error) {
	return a.end(ctx, v, in.ID, token.APIKey)
}
