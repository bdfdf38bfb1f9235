package edi

import (
	"errors"
	"strconv"

	"symbolon/internal/config"
	"symbolon/internal/httpio"
	"symbolon/internal/token"
)

// format lays out and reads the edi-token (contract: claims, in order).
type format struct {
	issuer string
	edi    config.EDI
}

var _ token.Format = (*format)(nil)

// algorithm is the only one that the old server's verifiers take.
const algorithm = "ES256"

var errAlgorithm = errors.New("an edi-token can only be signed with ES256")

func member(name string, value any) httpio.Field { return httpio.Field{Name: name, Value: value} }

// mostClaims is how many claims a token of ours has at most.
const mostClaims = 20

// Mint returns the header, byte for byte the old server's unless plain claims put the
// grant there, and the claims: of the subject, or of the token being refreshed.
func (f *format) Mint(m token.Mint) (header, payload []byte, err error) {
	if m.Alg != algorithm {
		return nil, nil, errAlgorithm
	}
	claims := make(httpio.Object, 0, mostClaims)
	var extra httpio.Object
	if m.Prior != nil {
		w := m.Prior.Wire.(*wire)
		claims, extra = w.appendSubject(claims, m.Subject.ID), w.extra
	} else {
		claims = f.appendSubject(claims, m.Subject)
	}
	born := member("iat", m.IssuedAt.Unix())
	claims = append(claims, member("iss", f.issuer), member("hd", f.edi.HD),
		born, member("nbf", born.Value), member("exp", m.Expires.Unix()))
	if f.edi.PlainClaims {
		header = httpio.JSON(httpio.Object{member("alg", algorithm), member("typ", "JWT"), member("kid", grantKID(m))})
	} else {
		header = []byte(oldHeader)
		claims = appendOwn(claims, m)
	}
	return header, httpio.ASCII(httpio.JSON(append(claims, extra...))), nil
}

// oldHeader is the old server's, byte for byte.
const oldHeader = `{"alg":"ES256","typ":"JWT"}`

func appendOwn(claims httpio.Object, m token.Mint) httpio.Object {
	claims = append(claims, member("gid", m.Grant.ID))
	if !m.Cap.IsZero() {
		claims = append(claims, member("cap", m.Cap.Unix()))
	}
	if m.Status != nil {
		list := httpio.Object{member("idx", m.Status.List.Index), member("uri", m.Status.List.URI)}
		claims = append(claims, member("status", httpio.Object{member("status_list", list)}))
	}
	return claims
}

// grantKID carries the grant and its cap where no claim may be added: s1.GRANT.CAP.
func grantKID(m token.Mint) string {
	end := "0"
	if !m.Cap.IsZero() {
		end = strconv.FormatInt(m.Cap.Unix(), 10)
	}
	return "s1." + strconv.FormatInt(m.Grant.ID, 10) + "." + end
}

// appendSubject adds the claims about who the token is of, in the order of the wire.
func (f *format) appendSubject(claims httpio.Object, sub token.Subject) httpio.Object {
	var p profile
	id, cn, email := sub.ID, sub.Display, sub.Email
	principals, links := []string{}, []httpio.Object{}
	switch {
	case sub.Acting != nil:
		id, cn, email = f.groupID(*sub.Acting), sub.Acting.Name, ""
	case f.faceless(sub):
		p.idpName = "system"
	default:
		p, principals, links = f.primary(sub), f.principals(sub), f.links(sub)
	}
	if cn == "" {
		cn = sub.Name
	}
	return append(claims,
		member("sub", id), member("cn", cn), member("email", orNull(email)),
		member("principals", principals), member("links", links),
		member("isEmailEnabled", false), member("isEmailVerified", false),
		member("idpCommonName", orNull(p.commonName)), member("idpName", orNull(p.idpName)), member("idpUid", orNull(p.idpUID)))
}

// links describes the outside identities after the first.
func (f *format) links(sub token.Subject) []httpio.Object {
	links := []httpio.Object{}
	list := outside(sub)
	for _, p := range list[min(1, len(list)):] {
		links = append(links, httpio.Object{
			member("ediId", p.id()), member("linkedAt", p.linkedAt.Unix()), member("commonName", orNull(p.commonName)),
			member("email", orNull(p.email)), member("idpCommonName", orNull(p.commonName)),
			member("idpName", p.idpName), member("idpUid", p.idpUID),
		})
	}
	return links
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// appendSubject adds the claims of a token that is being refreshed as they are, in the
// order of the wire, and what an older token lacks as if it were empty.
func (w *wire) appendSubject(claims httpio.Object, id string) httpio.Object {
	claims = append(claims, member("sub", id), member("cn", w.cn), w.or("email", nil))
	if raw, ok := w.known["avatarUrl"]; ok {
		claims = append(claims, member("avatarUrl", raw))
	}
	return append(claims, member("principals", w.principals), w.or("links", []string{}),
		w.or("isEmailEnabled", false), w.or("isEmailVerified", false),
		w.or("idpCommonName", nil), w.or("idpName", nil), w.or("idpUid", nil))
}

func (w *wire) or(name string, value any) httpio.Field {
	if raw, ok := w.known[name]; ok {
		return member(name, raw)
	}
	return member(name, value)
}
