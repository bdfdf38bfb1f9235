package app

import (
	"crypto/rand"
	"fmt"
	"net/http"

	"symbolon/internal/config"
	"symbolon/internal/secret"
	"symbolon/internal/signin/oidc"
	"symbolon/internal/signin/standin"
)

// openProviders sets up the outside providers, asking none of them, and on a development
// server the stand-in for ORCID, whose secret only the two of them know.
func (a *App) openProviders() error {
	for _, c := range a.Config.SignIn.Providers {
		o := oidc.Options{Now: a.now}
		if a.Config.StandIn(c) {
			o.Secret = secret.New(rand.Text())
			a.standIn = &standin.ORCID{Issuer: c.Issuer, ClientID: c.ClientID, Secret: o.Secret, Redirect: a.Config.BaseURL + "/", Now: a.now}
		}
		p, err := oidc.New(c, o)
		if err != nil {
			return fmt.Errorf("setting up sign-in: %w", err)
		}
		a.Providers = append(a.Providers, p)
	}
	return nil
}

// serveStandIn is the only way to the stand-in.
func (a *App) serveStandIn(mux *http.ServeMux) {
	if a.standIn != nil {
		mux.Handle(config.StandInPath+"/", a.standIn)
	}
}
