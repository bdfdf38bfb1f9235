// Package oidc signs people in at outside providers: OpenID providers by the code flow
// with state, nonce and PKCE (OpenID Connect Core §3.1, RFC 7636), and GitHub by OAuth 2.
//
// A provider is asked only when somebody wants to sign in, never at the start, and one
// that is dead or lies shuts its own door and no other. What it says is believed of its
// own people alone: an identity is the provider's name here and the provider's own id for
// the person, never an e-mail address. Upstream tokens are used once and forgotten.
package oidc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"symbolon/internal/config"
	"symbolon/internal/secret"
)

// What an error of Begin and Finish wraps, for words on a page. The rest of its text is
// for the log.
var (
	// ErrUnavailable says that the provider is dead or slow, or not what the configuration
	// says. Trying again later may help.
	ErrUnavailable = errors.New("the provider cannot be used at present")
	// ErrDenied says that the person, or the provider, did not agree.
	ErrDenied = errors.New("the provider did not let the person in")
	// ErrRefused says that the answer is not one that this server may believe.
	ErrRefused = errors.New("the provider's answer is refused")
)

func unavailable(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrUnavailable, fmt.Errorf(format, args...))
}

func refused(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrRefused, short(fmt.Sprintf(format, args...)))
}

// maxReason bounds, in bytes, what a provider can write into our log.
const maxReason = 300

func short(s string) string {
	if len(s) <= maxReason {
		return s
	}
	return strings.ToValidUTF8(s[:maxReason], "") + "…"
}

// Person is somebody for whom a provider vouches.
type Person struct {
	Subject string // the provider's id for the person, never given to another; iD, number or sub
	Login   string // what the person is called there; a wish for a name here
	Display string // as people write it; may be empty, and is not checked
	Email   string // empty unless the provider says that it has verified it
	Profile string // GitHub only: https://github.com/LOGIN, which may pass to another person
}

// Ask is one sign-in that begins. All texts are needed; those beside Redirect are random,
// of 128 bits or more, and Verifier has 43 to 128 characters (RFC 7636 §4.1).
type Ask struct {
	Redirect               string // as registered at the provider
	State, Nonce, Verifier string
	Again                  bool // the person should show who it is even when signed in there
}

// Answer is what the browser brought back, State having been checked, with what was asked.
type Answer struct {
	Redirect, Nonce, Verifier string // as asked
	Code, Error, Issuer       string // the parameters code, error and iss; may be empty
}

// Options are what a configuration does not say.
type Options struct {
	Now func() time.Time
	// Secret is that of a provider whose configuration names no file.
	Secret secret.Text
}

// Provider is a configured provider. Its methods may be called at once.
type Provider struct {
	conf   config.Provider
	secret secret.Text
	client *http.Client
	now    func() time.Time

	turn  chan struct{} // held by whoever reads or changes what is below
	found *metadata
	asked outcome
}

// New reads the secret's file. It asks nobody. The configuration must have passed Check.
func New(c config.Provider, o Options) (*Provider, error) {
	p := &Provider{conf: c, secret: o.Secret, now: o.Now, turn: make(chan struct{}, 1)}
	if c.ClientSecretFile != "" {
		text, err := os.ReadFile(c.ClientSecretFile)
		if err != nil {
			return nil, fmt.Errorf("reading client_secret_file of provider %s: %w", c.Name, err)
		}
		p.secret = secret.New(strings.TrimSpace(string(text)))
	}
	if p.secret.IsZero() {
		return nil, fmt.Errorf("reading client_secret_file of provider %s: %s is empty; put the client's secret there", c.Name, c.ClientSecretFile)
	}
	issuer, err := url.Parse(c.Issuer)
	if err != nil {
		return nil, fmt.Errorf("reading issuer of provider %s: %w", c.Name, err)
	}
	// The presets are public. What an operator runs may stand anywhere.
	p.client = newClient(issuer, c.Kind == kindOIDC || strings.HasSuffix(c.Issuer, config.StandInPath))
	return p, nil
}

// The kinds that differ in more than their configuration.
const (
	kindORCID     = "orcid"
	kindSandbox   = "orcid-sandbox"
	kindGoogle    = "google"
	kindMicrosoft = "microsoft"
	kindGitHub    = "github"
	kindOIDC      = "oidc"
)

// Name is the provider of the identities it gives.
func (p *Provider) Name() string { return p.conf.Name }

// Label is what its button says.
func (p *Provider) Label() string { return p.conf.Label }

func (p *Provider) isORCID() bool { return p.conf.Kind == kindORCID || p.conf.Kind == kindSandbox }

// minVerifier is the least length of a PKCE verifier, RFC 7636 §4.1.
const minVerifier = 43

// Begin returns where to send the browser. An error wraps ErrUnavailable.
func (p *Provider) Begin(ctx context.Context, a Ask) (string, error) {
	if a.Redirect == "" || a.State == "" || a.Nonce == "" || len(a.Verifier) < minVerifier {
		return "", errors.New("beginning sign-in: redirect, state, nonce or verifier is missing or too short")
	}
	m, err := p.metadata(ctx)
	if err != nil {
		return "", err
	}
	options := []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(a.Verifier), oauth2.SetAuthURLParam("nonce", a.Nonce)}
	if a.Again {
		options = append(options, oauth2.SetAuthURLParam("prompt", p.prompt()))
	}
	return p.oauth(m, a.Redirect).AuthCodeURL(a.State, options...), nil
}

// prompt is what makes the provider ask the person, by the words each of them has for it.
func (p *Provider) prompt() string {
	if p.conf.Kind == kindGoogle || p.conf.Kind == kindGitHub {
		return "select_account" // login they do not know
	}
	return "login"
}

func (p *Provider) oauth(m *metadata, redirect string) *oauth2.Config {
	return &oauth2.Config{ClientID: p.conf.ClientID, ClientSecret: p.secret.Reveal(), Endpoint: m.endpoint, RedirectURL: redirect, Scopes: m.scopes}
}

// Finish returns the person that the answer is about. It redeems the code, so it works
// once. An error wraps ErrUnavailable, ErrDenied or ErrRefused.
func (p *Provider) Finish(ctx context.Context, a Answer) (Person, error) {
	ctx, cancel := context.WithTimeout(ctx, maxTime)
	defer cancel()
	m, err := p.metadata(ctx)
	if err != nil {
		return Person{}, err
	}
	if err := m.checkIssuer(a.Issuer); err != nil {
		return Person{}, err
	}
	switch {
	case a.Error != "":
		return Person{}, answered(a.Error)
	case a.Code == "" || a.Nonce == "" || a.Verifier == "":
		return Person{}, refused("it has neither code nor error")
	}
	token, err := p.redeem(ctx, m, a)
	if err != nil {
		return Person{}, err
	}
	if p.conf.Kind == kindGitHub {
		return p.gitHubPerson(ctx, token.AccessToken)
	}
	return p.person(ctx, m, token, a.Nonce)
}

// checkIssuer keeps apart the answers of several providers (RFC 9207 §2.4).
func (m *metadata) checkIssuer(issuer string) error {
	switch {
	case issuer == "" && m.sendsIssuer:
		return refused("it does not say which provider it comes from (iss)")
	case issuer != "" && issuer != m.issuer:
		return refused("it comes from another provider: iss is %q, not %q", issuer, m.issuer)
	}
	return nil
}

// answered says what an error parameter means (RFC 6749 §4.1.2.1, OpenID Connect Core §3.1.2.6).
func answered(code string) error {
	switch code {
	case "server_error", "temporarily_unavailable":
		return unavailable("it answered with the error %q", code)
	case "access_denied", "login_required", "interaction_required", "consent_required", "account_selection_required":
		return fmt.Errorf("%w: it answered with the error %q", ErrDenied, code)
	}
	// A mistake of ours or of the configuration, such as an unknown client.
	return unavailable("it answered with the error %q: compare client_id and the registered addresses", short(code))
}

func (p *Provider) redeem(ctx context.Context, m *metadata, a Answer) (*oauth2.Token, error) {
	ctx = context.WithValue(ctx, oauth2.HTTPClient, p.client)
	token, err := p.oauth(m, a.Redirect).Exchange(ctx, a.Code, oauth2.VerifierOption(a.Verifier))
	var answer *oauth2.RetrieveError
	switch {
	case err == nil:
		return token, nil
	case !errors.As(err, &answer): // which may hold what the provider wrote
		return nil, unavailable("redeeming the code: %s", short(err.Error()))
	case answer.ErrorCode == "invalid_grant" || answer.ErrorCode == "bad_verification_code": // the latter is GitHub's
		return nil, refused("the provider does not know the code any more (%q)", answer.ErrorCode)
	}
	return nil, unavailable("redeeming the code: status %d, error %q: compare client_id and client_secret_file", answer.Response.StatusCode, short(cmp.Or(answer.ErrorCode, "none")))
}
