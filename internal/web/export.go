package web

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"symbolon/internal/account"
	"symbolon/internal/audit"
	"symbolon/internal/httpio"
	"symbolon/internal/token"
)

// export is everything that is held about a person. There is no secret among it: none is
// kept, and what tokens are recognised by stays here.
type export struct {
	Exported   time.Time         `json:"exported"`
	Number     int64             `json:"account"`
	Name       string            `json:"name"`
	Type       string            `json:"type"`
	Display    string            `json:"display"`
	Email      string            `json:"email"`
	Password   bool              `json:"has_password"`
	Created    time.Time         `json:"created"`
	Changed    time.Time         `json:"changed"`
	Identities []exportIdentity  `json:"identities"`
	Subjects   map[string]string `json:"ids_in_services"`
	Attributes map[string]string `json:"attributes"`
	Groups     []string          `json:"groups"`
	Owned      []string          `json:"groups_owned"`
	Tokens     []exportToken     `json:"tokens"`
	History    []exportLine      `json:"history"`
}

type exportIdentity struct {
	Provider string    `json:"provider"`
	Subject  string    `json:"subject"`
	Name     string    `json:"name,omitempty"`
	Email    string    `json:"email,omitempty"`
	Linked   time.Time `json:"linked"`
}

type exportToken struct {
	Number  int64     `json:"number"`
	Kind    string    `json:"kind"`
	Service string    `json:"service,omitempty"`
	Name    string    `json:"name,omitempty"`
	Preview string    `json:"preview,omitempty"`
	Created time.Time `json:"created"`
	Ends    time.Time `json:"ends,omitzero"`
	Ended   time.Time `json:"revoked,omitzero"`
	Reason  string    `json:"reason,omitempty"`
	Used    time.Time `json:"last_used,omitzero"`
	From    string    `json:"last_used_from,omitempty"`
	Uses    int64     `json:"uses"`
	Addr    string    `json:"made_from,omitempty"`
	Agent   string    `json:"made_with,omitempty"`
}

type exportLine struct {
	At      time.Time  `json:"at"`
	What    audit.Kind `json:"what"`
	By      string     `json:"by"`
	Token   int64      `json:"token,omitempty"`
	Service string     `json:"service,omitempty"`
	Addr    string     `json:"from,omitempty"`
	Agent   string     `json:"with,omitempty"`
	Detail  string     `json:"detail,omitempty"`
}

// maxExport bounds one answer.
const maxExport = 100_000

// download hands out everything held about the person.
func (s *Site) download(ctx context.Context, r *httpio.Request, v *visitor) httpio.Response {
	grants, err := s.Engine.List(ctx, caller(r, v.Account.ID), token.Filter{Account: v.Account.ID, Limit: maxExport})
	if err != nil {
		return s.failed(ctx, r, v, err)
	}
	events, err := s.Records.Audit(ctx, audit.Filter{Account: v.Account.ID, Limit: maxExport})
	if err != nil {
		return s.unavailable(ctx, r, err)
	}
	own, err := s.ownedGroups(ctx, v)
	if err != nil {
		return s.failed(ctx, r, v, err)
	}
	body, err := json.MarshalIndent(exported(s.Now(), v.Account, own, grants, events), "", "  ")
	if err != nil {
		return s.unavailable(ctx, r, err)
	}
	h := pageHeader()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Disposition", `attachment; filename="symbolon-`+strconv.FormatInt(v.Account.ID, 10)+`.json"`)
	return httpio.Response{Status: http.StatusOK, Header: h, Body: append(body, '\n')}
}

func exported(now time.Time, a account.Account, own []account.Group, grants []token.Grant, events []audit.Event) export {
	x := export{Exported: now.UTC().Truncate(time.Second), Number: a.ID, Name: a.Name, Type: a.Type, Display: a.Display, Email: a.Email,
		Password: a.HasPassword, Created: a.CreatedAt, Changed: a.UpdatedAt, Subjects: a.Subjects, Attributes: a.Attrs, Groups: a.Groups}
	for _, i := range a.Identities {
		x.Identities = append(x.Identities, exportIdentity{i.Provider, i.Subject, i.Name, i.Email, i.LinkedAt})
	}
	for _, g := range own {
		x.Owned = append(x.Owned, g.Name)
	}
	for _, g := range grants {
		x.Tokens = append(x.Tokens, exportToken{Number: g.ID, Kind: string(g.Kind), Service: g.Service, Name: g.Label, Preview: g.Preview,
			Created: g.IssuedAt, Ends: g.ExpiresAt, Ended: g.RevokedAt, Reason: g.RevokedReason, Used: g.LastUsedAt, From: g.LastAddr, Uses: g.UseCount,
			Addr: g.Addr, Agent: g.Agent})
	}
	for _, e := range events {
		x.History = append(x.History, exportLine{e.At, e.Kind, e.Actor, e.Grant, e.Service, e.Addr, e.Agent, e.Detail})
	}
	return x
}
