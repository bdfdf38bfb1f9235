package app

import (
	"context"
	"crypto/x509"
	"encoding/pem"

	"symbolon/internal/account"
	"symbolon/internal/keyring"
	"symbolon/internal/secret"
	"symbolon/internal/token"
	"symbolon/internal/web"
	"symbolon/internal/web/api"
)

// openAPI puts our own API together.
func (a *App) openAPI() *api.API {
	o := api.Options{Config: a.Config, Engine: a.Engine, Accounts: a.Accounts, Records: a.Store,
		Handed: a.wireTexts, Keys: a.keysOf, Page: web.Page, Now: a.now, Log: a.log}
	if a.ldap != nil {
		o.Directory = door{a}.SignInDirectory
	}
	return api.New(o)
}

// wireNames are what the clients of a dialect call its two tokens.
var wireNames = map[string][2]string{ // :: dialect → access, refresh
	"sesar":            {"access", "refresh"},
	"collectiveaccess": {"jwt", "refresh"},
	"itempath":         {"accessToken", "refreshToken"},
}

// wireTexts spells tokens as their service's clients know them.
func (a *App) wireTexts(ctx context.Context, t token.Tokens) ([]api.Text, error) {
	m := a.mount(t.Grant.Service)
	if m.config.EDI != nil {
		both, err := m.companions(ctx, t)
		if err != nil {
			return nil, err
		}
		return []api.Text{{Name: "edi-token", Text: t.Access, Ends: t.Expires},
			{Name: "pasta-token", Text: secret.New(both["pasta-token"]), Ends: t.Expires}}, nil
	}
	names := wireNames[m.config.Dialect]
	all := []api.Text{{Name: names[0], Text: t.Access, Ends: t.Expires}}
	if !t.Refresh.IsZero() {
		all = append(all, api.Text{Name: names[1], Text: t.Refresh, Ends: t.Grant.ExpiresAt})
	}
	return all, nil
}

// keysOf are a service's signing keys, with what outsiders need to check its tokens.
func (a *App) keysOf(service string) (all []api.Key) {
	public := map[string]string{} // :: key id → PEM
	for _, p := range a.Keys.Public(service) {
		if der, err := x509.MarshalPKIXPublicKey(p.Key); err == nil {
			public[p.KID] = string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
		}
	}
	for _, k := range a.Keys.List() {
		if k.Service != service {
			continue
		}
		key := api.Key{KID: k.KID, Purpose: string(k.Purpose), Alg: k.Alg, State: k.State, Pinned: k.Pinned,
			Created: k.CreatedAt, SignFrom: k.SignFrom, SignUntil: k.SignUntil, VerifyUntil: k.VerifyUntil}
		if k.Purpose != keyring.Refresh {
			key.Public = public[k.KID]
		}
		all = append(all, key)
	}
	return all
}

// SignInDirectory returns the number of the account of a directory's person by its short
// name.
func (d door) SignInDirectory(ctx context.Context, by account.By, name, password string) (int64, error) {
	return d.app.Accounts.SignInOutside(ctx, by, ldapProvider, name, func(ctx context.Context) (account.Outside, error) {
		return d.vouch(ctx, name, password)
	})
}
