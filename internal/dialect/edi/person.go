package edi

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"symbolon/internal/token"
)

// EDIID is the id the old server gives a profile: EDI- and the first 40 hex digits of
// the SHA-256 of the name its identity provider gave it (contract: EDI-IDs).
func EDIID(uid string) string {
	sum := sha256.Sum256([]byte(uid))
	return "EDI-" + hex.EncodeToString(sum[:])[:40]
}

// profile is one identity as the old server knew it: there, each account of an identity
// provider is a profile of its own. The zero profile is that of a group.
type profile struct {
	idOf       string // what its EDI-ID is made from
	idpName    string
	idpUID     string // in the claims and as uid of the legacy token
	commonName string // as the provider gave it
	email      string
	linkedAt   time.Time
}

func (p profile) id() string { return EDIID(p.idOf) }

const (
	passwordProvider = "password" // is inside: the account's own name
	ldapProvider     = "ldap"
)

// outside returns the profiles of the identities that others vouch for, oldest first.
func outside(sub token.Subject) []profile {
	var list []profile
	for _, id := range sub.Identities {
		if id.Provider != passwordProvider {
			list = append(list, profileOf(id))
		}
	}
	return list
}

// profileOf spells an identity as each provider's profiles are spelled there. A provider
// the old server did not have is put before its subject, lest it name another's profile.
func profileOf(id token.Identity) profile {
	p := profile{idpName: id.Provider, idpUID: id.Subject, commonName: id.Name, email: id.Email, linkedAt: id.LinkedAt}
	switch id.Provider {
	case ldapProvider, "microsoft":
	case "github":
		// There a profile was its page's address. Sign-in here knows the number alone: the
		// page passes to another person with the login.
		if !strings.HasPrefix(id.Subject, "https://github.com/") {
			p.idpUID = id.Provider + ":" + id.Subject
		}
	case "orcid":
		p.idpUID = "https://orcid.org/" + strings.TrimPrefix(id.Subject, "https://orcid.org/")
	case "google":
		p.idOf = id.Subject
		if id.Email != "" {
			p.idpUID = id.Email
		}
		return p
	default:
		p.idpUID = id.Provider + ":" + id.Subject
	}
	p.idOf = p.idpUID
	return p
}

// templated is the profile of an account that nobody outside vouches for.
func (f *format) templated(sub token.Subject) profile {
	uid := f.uidOf(sub.Name)
	return profile{idOf: uid, idpName: f.edi.IDPName, idpUID: uid}
}

func (f *format) uidOf(name string) string { return strings.ReplaceAll(f.edi.IDPUid, "NAME", name) }

// primary is the profile whose names the account's tokens carry.
func (f *format) primary(sub token.Subject) profile {
	if list := outside(sub); len(list) > 0 {
		return list[0]
	}
	return f.templated(sub)
}

func (f *format) newSubject(sub token.Subject) string { return f.primary(sub).id() }

// names lists what a legacy token, or a token of the service key, may call the subject.
// One that began with the template may still have legacy tokens with that name.
func (f *format) names(sub token.Subject) []string {
	names := []string{sub.ID}
	list := outside(sub)
	if t := f.templated(sub); len(list) == 0 || t.id() == sub.ID {
		list = append(list, t)
	}
	for _, p := range list {
		names = append(names, p.idpUID)
	}
	return names
}

// system answers for the Public profile, which is no account.
func (f *format) system(id string) (token.Subject, bool) {
	if id != f.edi.PublicID {
		return token.Subject{}, false
	}
	return token.Subject{ID: id, Name: "public", Display: "Public Access", Type: "application", Active: true}, true
}

func (f *format) groupID(g token.Group) string {
	if g.Name == f.edi.VettedGroup {
		return f.edi.VettedID
	}
	return EDIID(g.UID)
}

// principals lists, sorted, whom else the subject counts as; never the subject itself.
func (f *format) principals(sub token.Subject) []string {
	ids := []string{f.edi.PublicID, f.edi.AuthenticatedID}
	for _, p := range outside(sub) {
		ids = append(ids, p.id())
	}
	for _, g := range sub.Groups {
		ids = append(ids, f.groupID(g))
	}
	slices.Sort(ids)
	return slices.DeleteFunc(ids, func(id string) bool { return id == sub.ID })
}

// legacyOf says what a legacy token of the subject names, without its end: public for a
// group, everyone of LDAP vetted, others authenticated (contract: legacy principals).
func (f *format) legacyOf(sub token.Subject) legacyToken {
	if f.faceless(sub) {
		return legacyToken{uid: publicUID}
	}
	p := f.primary(sub)
	if p.idpName == ldapProvider {
		return legacyToken{uid: p.idpUID, groups: []string{"vetted", "authenticated"}}
	}
	return legacyToken{uid: p.idpUID, groups: []string{"authenticated"}}
}

// faceless reports whether the subject is a group or Public: nobody with an identity.
func (f *format) faceless(sub token.Subject) bool {
	return sub.Acting != nil || sub.ID == f.edi.PublicID
}

// uids lists whom a legacy token beside an edi-token of the subject may name.
func (f *format) uids(sub token.Subject) []string {
	if f.faceless(sub) {
		return []string{publicUID}
	}
	uids := []string{f.primary(sub).idpUID}
	for _, p := range outside(sub) {
		uids = append(uids, p.idpUID)
	}
	for _, name := range sub.Former.Names {
		uids = append(uids, f.uidOf(name))
	}
	return uids
}
