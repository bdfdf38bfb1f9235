package main

import (
	"slices"
	"strings"

	"symbolon/internal/account"
	"symbolon/internal/config"
	"symbolon/internal/signin/orcid"
)

// identities reads PROVIDER:SUBJECT. An ORCID iD is brought into ORCID's own form, and a
// mistyped one refused: whoever has it would own the account.
func identities(c *config.Config, texts []string) ([]account.Identity, error) {
	var all []account.Identity
	for _, text := range texts {
		provider, subject, ok := strings.Cut(text, ":")
		if !ok {
			return nil, usage("--identity is PROVIDER:SUBJECT, such as orcid:0000-0002-1825-0097, not %q", text)
		}
		if kind := kindOf(c, provider); kind == "orcid" || kind == "orcid-sandbox" {
			id, err := orcid.Parse(subject)
			if err != nil {
				return nil, usage("--identity %s: %v", text, err)
			}
			subject = id
		}
		all = append(all, account.Identity{Provider: provider, Subject: subject})
	}
	return all, nil
}

// kindOf returns the kind of a configured provider; the name of another is its kind.
func kindOf(c *config.Config, provider string) string {
	i := slices.IndexFunc(c.SignIn.Providers, func(p config.Provider) bool { return p.Name == provider })
	if i < 0 {
		return provider
	}
	return c.SignIn.Providers[i].Kind
}
