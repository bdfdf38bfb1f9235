package api

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"symbolon/internal/config"
	"symbolon/internal/token"
)

// serviceInfo is a service as somebody who may use it, or not, sees it.
type serviceInfo struct {
	Name         string `json:"name"`
	Dialect      string `json:"dialect" enum:"sesar,edi,collectiveaccess,itempath"`
	Address      string `json:"address" doc:"Where its paths begin."`
	Allowed      bool   `json:"allowed" doc:"Whether the account may use it."`
	WhyNot       string `json:"why_not" doc:"Why not; empty if it may."`
	TakesKeys    bool   `json:"takes_keys" doc:"Whether API keys can be exchanged there."`
	Applications bool   `json:"applications" doc:"Whether it has application tokens."`
	MostPairs    int    `json:"most_pairs" doc:"Live pairs an account may have; one more ends the oldest. 0 is any number."`
	Bound        *int64 `json:"revocation_bound_seconds" doc:"The longest time until what is ended is refused everywhere."`
}

func (a *API) services() {
	declare(a, huma.Operation{OperationID: "list-services", Method: http.MethodGet, Path: "/services", Tags: []string{tagService},
		Summary: "The services, and whether I may use them"}, a.listServices)
}

func (a *API) listServices(ctx context.Context, v *visitor, _ *none) (*answer[list[serviceInfo]], error) {
	out := list[serviceInfo]{Items: []serviceInfo{}}
	for _, c := range a.Config.Services {
		s := a.serviceOf(c)
		err := a.Engine.Admits(ctx, c.Name, v.ID)
		if token.CodeOf(err) == token.Unavailable {
			return nil, err
		}
		if s.Allowed = err == nil; err != nil {
			s.WhyNot = reasonOf(err)
		}
		out.Items = append(out.Items, s)
	}
	return say(out), nil
}

func (a *API) serviceOf(c config.Service) serviceInfo {
	return serviceInfo{Name: c.Name, Dialect: c.Dialect, Address: strings.TrimSuffix(a.Config.BaseURL, "/") + strings.TrimSuffix(c.Path, "/"),
		TakesKeys: a.Engine.TakesKeys(c.Name), Applications: c.ItemPath != nil,
		MostPairs: a.Engine.Limit(c.Name, token.Pair), Bound: a.boundOf(c.Name)}
}

// Key is a signing key of a service, without its secret. Zero times are open ends.
type Key struct {
	KID         string
	Purpose     string // access, refresh or legacy
	Alg         string
	State       string
	Pinned      bool // it comes from a file
	Created     time.Time
	SignFrom    time.Time
	SignUntil   time.Time
	VerifyUntil time.Time
	Public      string // PEM; empty for a secret that verifiers share, and for a key nobody but us needs
}

// keyInfo is the same on the wire.
type keyInfo struct {
	KID         string     `json:"kid"`
	Purpose     string     `json:"purpose" doc:"access, refresh or legacy: a key signs for one."`
	Alg         string     `json:"alg"`
	State       string     `json:"state"`
	Pinned      bool       `json:"pinned" doc:"Whether it comes from a file."`
	Created     *time.Time `json:"created"`
	SignFrom    *time.Time `json:"sign_from"`
	SignUntil   *time.Time `json:"sign_until"`
	VerifyUntil *time.Time `json:"verify_until"`
	Public      string     `json:"public_pem" doc:"Empty for a secret, and for a key that nobody but this server needs."`
}

func keyOf(k Key) keyInfo {
	return keyInfo{KID: k.KID, Purpose: k.Purpose, Alg: k.Alg, State: k.State, Pinned: k.Pinned, Created: at(k.Created),
		SignFrom: at(k.SignFrom), SignUntil: at(k.SignUntil), VerifyUntil: at(k.VerifyUntil), Public: k.Public}
}

// settings are what the configuration says of a service; a duration of 0 is none.
type settings struct {
	Service         serviceInfo `json:"service"`
	Issuer          string      `json:"issuer"`
	Audience        string      `json:"audience"`
	AccessLifetime  int64       `json:"access_lifetime_seconds"`
	RefreshLifetime int64       `json:"refresh_lifetime_seconds"`
	Cap             int64       `json:"cap_seconds"`
	Replay          string      `json:"replay"`
	ReplayWindow    int64       `json:"replay_window_seconds"`
	MostSessions    int         `json:"most_sessions"`
	Groups          []string    `json:"allow_groups" doc:"An account must be in one; empty is any account."`
	Types           []string    `json:"allow_types"`
	RequireIdentity string      `json:"require_identity"`
	Keys            []keyInfo   `json:"keys" doc:"Oldest first."`
}

func (a *API) adminServices() {
	declare(a, huma.Operation{OperationID: "admin-list-services", Method: http.MethodGet, Path: "/admin/services", Tags: []string{tagAdmin},
		Summary: "The services with their settings and keys"}, a.adminListServices)
}

func (a *API) adminListServices(ctx context.Context, v *visitor, _ *none) (*answer[list[settings]], error) {
	mine, err := a.listServices(ctx, v, nil)
	if err != nil {
		return nil, err
	}
	out := list[settings]{Items: []settings{}}
	for i, c := range a.Config.Services {
		s := settingsOf(c)
		s.Service, s.Keys = mine.Body.Items[i], every(a.Keys(c.Name), keyOf)
		out.Items = append(out.Items, s)
	}
	return say(out), nil
}

func settingsOf(c config.Service) settings {
	return settings{Issuer: c.Issuer, Audience: c.Audience, AccessLifetime: seconds(time.Duration(c.AccessLifetime)),
		RefreshLifetime: seconds(time.Duration(c.RefreshLifetime)), Cap: seconds(time.Duration(c.Cap)), Replay: c.Replay,
		ReplayWindow: seconds(time.Duration(c.ReplayWindow)), MostSessions: c.Sessions, Groups: every(c.Allow.Groups, same),
		Types: every(c.Allow.Types, same), RequireIdentity: c.RequireIdentity}
}
