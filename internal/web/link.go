package web

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"symbolon/internal/account"
	"symbolon/internal/httpio"
	"symbolon/internal/signin/flow"
)

// offer is an identity, or another account, that a signed-in person has shown to have.
type offer struct {
	Grant    int64           // the browser's, to which alone the offer is made
	Provider string          // of the identity, or "" where only the account was shown
	Who      account.Outside // the identity
	From     int64           // the account that is to end in this one, or 0
}

const offerLife = 10 * time.Minute

// link sends the browser to a provider to show a second identity; the person signs in
// there anew, lest somebody else's sign-in be found there.
func (s *Site) link(ctx context.Context, r *httpio.Request, v *visitor) httpio.Response {
	return s.travel(ctx, r, toLink+strconv.FormatInt(v.Browser.ID, 10), true)
}

// offerLink asks before anything is linked: a link that another site set off must do nothing.
func (s *Site) offerLink(ctx context.Context, r *httpio.Request, a flow.Arrived) httpio.Response {
	v, err := s.visitor(ctx, r)
	if err != nil {
		return s.unavailable(ctx, r, err)
	}
	if v == nil || a.Purpose != toLink+strconv.FormatInt(v.Browser.ID, 10) {
		return s.lost(ctx, r, a.Provider, flow.ErrForeign)
	}
	o := offer{Grant: v.Browser.ID, Provider: a.Provider, Who: outside(a.Person)}
	owner, err := s.Accounts.ByIdentity(ctx, a.Provider, o.Who.Subject)
	switch {
	case errors.Is(err, account.ErrNotFound) || err == nil && owner.ID == v.Account.ID:
		return s.confirmLink(v, o)
	case err != nil:
		return s.failed(ctx, r, v, err)
	case owner.Status != account.Active || owner.Type != account.Person:
		return s.page(http.StatusConflict, "problem", view{Title: "It belongs to another account", Visitor: v,
			Data: "That identity belongs to an account that is not active. Ask the people who run this service."})
	}
	o.From = owner.ID
	return s.confirmJoin(v, o, owner)
}

func (s *Site) confirmLink(v *visitor, o offer) httpio.Response {
	who := o.Who.Subject
	if o.Who.Display != "" {
		who = o.Who.Display + " (" + o.Who.Subject + ")"
	}
	return s.sealedOffer(v, o, confirmation{Title: "Sign in this way too?",
		Text:   []string{"From now on, whoever signs in at " + s.label(o.Provider) + " as " + who + " is you here, with all your tokens and keys."},
		Action: root + "/profile/link", Button: "Yes, that is me"})
}

func (s *Site) confirmJoin(v *visitor, o offer, from account.Account) httpio.Response {
	return s.sealedOffer(v, o, confirmation{Title: "Make two accounts one?",
		Text: []string{"What you have just shown belongs to another account here, " + from.Name + ".",
			"All its tokens, keys, groups and ways to sign in come to your account " + v.Account.Name + " and go on working. The account " + from.Name +
				" is then no more, and its name is not given to anybody again. This cannot be undone."},
		Action: root + "/profile/link", Button: "Make them one"})
}

func (s *Site) sealedOffer(v *visitor, o offer, c confirmation) httpio.Response {
	text, err := s.Flow.Seal.Close("offer", o, offerLife)
	if err != nil {
		return s.Failed(http.StatusInternalServerError)
	}
	c.Fields = append(c.Fields, field{"offer", text})
	c.Back = root + "/profile"
	return s.confirm(v, "profile", c)
}

// label is what people call a way to sign in.
func (s *Site) label(provider string) string {
	for _, p := range s.Flow.Providers {
		if p.Name() == provider {
			return p.Label()
		}
	}
	switch provider {
	case account.PasswordProvider:
		return "Password"
	case "ldap":
		return "Directory (LDAP)"
	}
	return provider
}

// joinAccount shows another account by its name and password, and asks whether to join it.
func (s *Site) joinAccount(ctx context.Context, r *httpio.Request, v *visitor) httpio.Response {
	form, err := httpio.Form(r, "name", "password", "where")
	if err != nil {
		return s.Failed(http.StatusBadRequest)
	}
	d := s.doors("")
	d.Where = form.Get("where")
	_, ask := s.asked(d)
	if ask == nil {
		return s.NotFound(r)
	}
	id, err := ask(ctx, by(r, "account"), form.Get("name"), form.Get("password"))
	if err != nil {
		return s.profileProblem(ctx, r, v, err, "Name and password do not belong together.")
	}
	other, err := s.Accounts.ByID(ctx, id)
	switch {
	case err != nil:
		return s.failed(ctx, r, v, err)
	case id == v.Account.ID:
		return s.profileProblem(ctx, r, v, nil, "That is the account you are signed in with.")
	}
	return s.confirmJoin(v, offer{Grant: v.Browser.ID, From: id}, other)
}

// takeOffer does what was offered and confirmed.
func (s *Site) takeOffer(ctx context.Context, r *httpio.Request, v *visitor) httpio.Response {
	form, err := httpio.Form(r, "offer")
	if err != nil {
		return s.Failed(http.StatusBadRequest)
	}
	var o offer
	if s.Flow.Seal.Open("offer", form.Get("offer"), &o) != nil || o.Grant != v.Browser.ID {
		return s.profileProblem(ctx, r, v, nil, "That took longer than 10 minutes. Begin again.")
	}
	done := "linked"
	if o.From != 0 {
		done = "joined"
		err = s.Accounts.Join(ctx, by(r, "account"), v.Account.ID, o.From)
	} else {
		err = s.Accounts.Link(ctx, by(r, "account"), v.Account.ID, o.Provider, o.Who)
	}
	if err != nil {
		return s.failed(ctx, r, v, err)
	}
	s.actOn(ctx)
	return see(root + "/profile?done=" + done)
}

// actOn lets this server act on what was just written; it would by itself within a second.
func (s *Site) actOn(ctx context.Context) {
	if err := s.Engine.CatchUp(ctx); err != nil {
		s.Log.WarnContext(ctx, "reading news failed", "err", err)
	}
}

// unlink removes a way to sign in, after asking.
func (s *Site) unlink(ctx context.Context, r *httpio.Request, v *visitor) httpio.Response {
	form, err := httpio.Form(r, "provider", "subject", "sure")
	if err != nil {
		return s.Failed(http.StatusBadRequest)
	}
	provider, subject := form.Get("provider"), form.Get("subject")
	if form.Get("sure") == "" {
		return s.confirm(v, "profile", confirmation{Title: "Remove this way to sign in?", Danger: true,
			Text: []string{"Nobody can sign in to your account as " + subject + " at " + s.label(provider) + " any more, until you link it again. Services that ask for " +
				s.label(provider) + " stop accepting your tokens at their next refresh.", "No other account can ever be linked with it."},
			Action: root + "/profile/unlink", Button: "Remove it", Back: root + "/profile",
			Fields: []field{{"provider", provider}, {"subject", subject}, {"sure", "yes"}}})
	}
	if err := s.Accounts.Unlink(ctx, by(r, "account"), v.Account.ID, provider, subject); err != nil {
		return s.failed(ctx, r, v, err)
	}
	s.actOn(ctx)
	return see(root + "/profile?done=unlinked")
}
