package account

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// ByID returns an active or disabled account by its number; ErrNotFound otherwise.
func (d *Directory) ByID(ctx context.Context, id int64) (Account, error) {
	return d.store.AccountByID(ctx, id)
}

// ByIdentity returns the active or disabled account that has the identity now; ErrNotFound
// where nobody has, or where it was removed.
func (d *Directory) ByIdentity(ctx context.Context, provider, subject string) (Account, error) {
	a, err := d.store.ByIdentity(ctx, provider, subject)
	if err == nil && (a.Status == Deleted || !a.has(provider, subject)) {
		return Account{}, &Error{Kind: NotFound, Text: fmt.Sprintf("no account has the %s identity %q", provider, subject)}
	}
	return a, err
}

// maxFound bounds one answer of Find.
const maxFound = 1000

// Find returns the accounts that somebody may mean by text, the exact ones first, then by
// name: its number, its name or the beginning of it, its e-mail address, its subject at any
// provider (an ORCID iD also as a link) or its id in any service. Deleted accounts are found
// by their number and their whole name alone. Limit 0 means 1000, which is the most.
// ErrInvalid for what cannot be any of these.
func (d *Directory) Find(ctx context.Context, text string, limit int) ([]Account, error) {
	text = strings.TrimSpace(text)
	if text == "" || len(text) > maxSubject || !printable(text) {
		return nil, invalid("give a name, a number, an e-mail address or an id, of at most %d printable bytes", maxSubject)
	}
	if limit <= 0 || limit > maxFound {
		limit = maxFound
	}
	v := FindVerb{Name: text, Email: text, Subject: text, Limit: limit}
	for _, link := range []string{"https://orcid.org/", "http://orcid.org/", "orcid.org/"} {
		v.Subject = strings.TrimPrefix(v.Subject, link)
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && n > 0 {
		v.Number = n
	}
	return d.store.FindAccounts(ctx, v)
}
