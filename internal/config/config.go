package config

import (
	"path/filepath"

	"symbolon/internal/secret"
)

// Config is one whole configuration. Load and Dev return it resolved: paths
// absolute, derived values filled in. Its field comments are the manual.
type Config struct {
	// Address to listen on, as HOST:PORT. Port 0 takes a free one.
	Listen string `yaml:"listen"`
	// Folder of the database, the lock file and the master key. A relative path
	// here, as everywhere in this file, starts at the folder of this file.
	Data string `yaml:"data"`
	// Database, as sqlite:PATH, or as postgres://USER@HOST/NAME where several servers
	// are to share it; its password belongs into the file that PGPASSFILE, or passfile=
	// in the address, names. Empty means symbolon.db in the data folder.
	Store string `yaml:"store"`
	// Public origin, such as https://tokens.example.org: the issuer of tokens and
	// the start of every link. It is never taken from a request. Empty means
	// http:// and the listen address.
	BaseURL string `yaml:"base_url"`
	// File with the base64 of the 32 bytes that seal the signing keys. Empty means
	// the variable SYMBOLON_MASTER_KEY, or else master.key in the data folder.
	MasterKeyFile string `yaml:"master_key_file"`
	// How long a signing key made here signs before the next one does. That one is
	// published half as long before, a day at most, and the old one goes on verifying
	// until its last token has ended. 0s: on command only.
	KeyRotation Duration `yaml:"key_rotation"`
	// Longest time until a revocation is known everywhere. A server that cannot
	// confirm its view of the database within it refuses tokens. At least 2s.
	RevocationBound Duration `yaml:"revocation_bound"`
	// File with the secret, 20 characters or more, that servers elsewhere present to
	// follow the event stream. Empty turns the stream off.
	VerifierKeyFile string `yaml:"verifier_key_file"`
	// How long a server elsewhere may go by one status list: the time until a
	// revocation is known to who checks tokens by lists. 10s to 1d.
	StatusTTL Duration `yaml:"status_ttl"`
	// Form of the log on standard error: text or json.
	LogFormat string `yaml:"log_format"`
	// Least level that is logged: debug, info, warn or error.
	LogLevel string `yaml:"log_level"`
	// Addresses or networks (10.0.0.0/8) of proxies whose X-Forwarded-For is
	// believed, and at /symbolon/verify what they say of the request that they ask
	// about (X-Forwarded-Uri, X-Forwarded-Method). Empty means none.
	TrustedProxies []string `yaml:"trusted_proxies"`
	// Address for /metrics, as HOST:PORT, for Prometheus. It asks nobody who they are:
	// keep it on a loopback address or an inner network. Empty means none.
	MetricsListen string `yaml:"metrics_listen"`
	// How long the audit log is kept.
	AuditKeep Duration `yaml:"audit_keep"`
	// How long the addresses and programs of people are kept, in the audit log and
	// with their tokens. 0 means as long as the line or token.
	AddressKeep Duration `yaml:"address_keep"`
	// Development: adds resources for trying things out and allows a loopback
	// address only. Leave it false for anything real.
	Dev bool `yaml:"dev"`
	// Sign-in by LDAP, which the dialect edi has.
	LDAP LDAP `yaml:"ldap"`
	// How people sign in on the pages of this server, and for how long.
	SignIn SignIn `yaml:"sign_in"`
	// The services, each one mount of a dialect.
	Services []Service `yaml:"services"`

	// File is where the configuration was read from; empty when made by Dev.
	File string `yaml:"-"`
	// MasterKey is the variable SYMBOLON_MASTER_KEY as it stands, not decoded.
	MasterKey secret.Text `yaml:"-"`
	// NextMasterKey is the variable SYMBOLON_MASTER_KEY_NEXT in the same way.
	NextMasterKey secret.Text `yaml:"-"`

	places map[string]place // :: key path → where its value was given
}

// LDAP says how a directory is asked whether a password is right. The zero value
// asks none.
type LDAP struct {
	// Servers, as ldaps://HOST, or ldap://HOST for StartTLS, with :PORT where it is
	// not the usual one. When one cannot be reached the next is asked. Empty means no
	// sign-in by LDAP.
	Servers []string `yaml:"servers"`
	// PEM certificates of the authorities that vouch for the servers. Empty means
	// those of the system.
	CAFile string `yaml:"ca_file"`
	// Speak to ldap:// without TLS. Only for servers on a loopback address.
	Plain bool `yaml:"plain"`
	// Longest time that one server may take for one sign-in.
	Timeout Duration `yaml:"timeout"`
	// DN of a person, NAME standing for the name, such as
	// uid=NAME,o=EDI,dc=edirepository,dc=org. Empty means to search for it below base.
	UserDN string `yaml:"user_dn"`
	// Where to search for people. Leave it empty with user_dn.
	Base string `yaml:"base"`
	// DN that may search. Empty means to search without signing in.
	BindDN string `yaml:"bind_dn"`
	// File with the password of bind_dn.
	BindPasswordFile string `yaml:"bind_password_file"`
	// Filter that exactly one entry must match, NAME standing for the name.
	Filter string `yaml:"filter"`
	// Which groups here people are put into, and taken out of, when they sign in.
	Groups LDAPGroups `yaml:"groups"`
}

// LDAPGroups says which groups of a directory are groups here.
type LDAPGroups struct {
	// Attribute of a person that lists the DNs of groups.
	Attribute string `yaml:"attribute"`
	// The groups, as "DN": name of the group here. Others are not looked at.
	Map map[string]string `yaml:"map"`
}

// SignIn says by which doors people come in on the pages, and when they are signed out.
type SignIn struct {
	// People may sign in with a password.
	Password bool `yaml:"password"`
	// A browser that is not used for so long is signed out.
	Idle Duration `yaml:"idle"`
	// Any browser is signed out after so long, used or not.
	Absolute Duration `yaml:"absolute"`
	// The providers with which people may sign in: ORCID and others. With each one
	// register base_url/symbolon/callback/NAME as the address to come back to, and
	// base_url/auth/callback/NAME too where a service of dialect edi has the path /auth.
	Providers []Provider `yaml:"providers"`
	// Name of the group whose members see and change everybody's accounts on the pages
	// and in the API. Empty means nobody.
	AdminGroup string `yaml:"admin_group"`
}

// Provider is one outside service that vouches for people: an OpenID provider, or GitHub.
type Provider struct {
	// Name of the provider in identities, commands and links: a lower-case letter, then
	// up to 31 lower-case letters, digits and hyphens. It is part of every identity, so
	// do not change it later. Empty means kind.
	Name string `yaml:"name"`
	// What it is: orcid, orcid-sandbox, google, microsoft, github, or oidc for any other
	// OpenID provider. With dev, orcid is a stand-in that this server has itself.
	Kind string `yaml:"kind"`
	// What the button says. Empty means the provider's own name.
	Label string `yaml:"label"`
	// Id of this server at the provider, which gives it out when you register there.
	ClientID string `yaml:"client_id"`
	// File with the secret that belongs to client_id.
	ClientSecretFile string `yaml:"client_secret_file"`
	// Issuer, exactly as the provider's tokens spell it. Only kind oidc needs it, and
	// microsoft may have https://login.microsoftonline.com/TENANT/v2.0 to let in one
	// tenant's people alone, TENANT being its number and not its domain.
	Issuer string `yaml:"issuer"`
}

// Service is one mount of a dialect. NewService gives it its defaults.
type Service struct {
	// Name in commands, pages and logs: a lower-case letter, then up to 31
	// lower-case letters, digits and hyphens.
	Name string `yaml:"name"`
	// Which API it speaks: sesar, edi, collectiveaccess or itempath.
	Dialect string `yaml:"dialect"`
	// Prefix to which the dialect adds its own fixed paths, such as /webservices,
	// with no slash at the end; / alone for none.
	Path string `yaml:"path"`
	// Issuer (iss) in its tokens. Empty means base_url, and for collectiveaccess the
	// host in it.
	Issuer string `yaml:"issuer"`
	// Audience (aud) of its tokens. Empty means the name of the service.
	Audience string `yaml:"audience"`
	// How long an access token lives.
	AccessLifetime Duration `yaml:"access_lifetime"`
	// How long a refresh token lives, counted anew from every refresh.
	RefreshLifetime Duration `yaml:"refresh_lifetime"`
	// Absolute end of everything that came from one sign-in, however often it is
	// refreshed. 0s means no such end, which edi does not allow.
	Cap Duration `yaml:"cap"`
	// What a refresh token gets that was used a moment ago: refuse (401, the new
	// pair lives on) or same (the new pair once more).
	Replay string `yaml:"replay"`
	// How long after its use a refresh token counts as used a moment ago. Presented
	// later, it ends the pair. At most 1d.
	ReplayWindow Duration `yaml:"replay_window"`
	// Most live sign-ins of one account. One more ends the oldest.
	Sessions int `yaml:"sessions"`
	// Most live generated token pairs of one account. One more ends the oldest.
	Pairs int `yaml:"pairs"`
	// How the servers behind it check tokens: here (they ask this server, or follow
	// the event stream), list (by its status lists) or secret (signature and times
	// alone). It changes nothing but how soon a revocation is said to count there.
	// Empty means secret where the key of access tokens comes from a file, else here.
	VerifiedBy string `yaml:"verified_by"`
	// Who may use the service. Empty lists allow every account.
	Allow Allow `yaml:"allow"`
	// Identity provider, such as orcid, with which an account must be linked to use
	// the service. Empty means none.
	RequireIdentity string `yaml:"require_identity"`

	// Server behind this one, as http://HOST:PORT. Requests to the paths under protect
	// go on to it once the rules allow them. Empty means none.
	Upstream string `yaml:"upstream"`
	// Prefixes, such as /data, whose requests go on to upstream. What is Symbolon's own
	// or the dialect's is still answered here.
	Protect []string `yaml:"protect"`
	// Longest wait until upstream begins to answer, counted from the end of the request.
	// A body may take any time in either direction, as long as it moves within it.
	UpstreamTimeout Duration `yaml:"upstream_timeout"`
	// What the server behind gets of the token: pass (as it came), mint (a short one of
	// its own dialect in its place; not for sesar) or none. An API key never goes on.
	UpstreamToken string `yaml:"upstream_token"`
	// How long a minted token lives; never longer than the token that was presented.
	UpstreamTokenLifetime Duration `yaml:"upstream_token_lifetime"`
	// Other names for the headers that tell the server behind who asks: account,
	// subject, name, identities, groups, scope, grant, expires. Unnamed ones are
	// X-Auth-Account and so on.
	IdentityHeaders map[string]string `yaml:"identity_headers"`
	// Who may do what behind this service, here and at /symbolon/verify/NAME. The first
	// rule whose path and method fit decides; where none fits, any good token will do.
	Rules []Rule `yaml:"rules"`

	// Sesar holds the keys of dialect sesar; nil for every other dialect.
	Sesar *Sesar `yaml:"-"`
	// EDI holds the keys of dialect edi; nil for every other dialect.
	EDI *EDI `yaml:"-"`
	// CollectiveAccess holds the keys of that dialect; nil for every other dialect.
	CollectiveAccess *CollectiveAccess `yaml:"-"`
	// ItemPath holds the keys of that dialect; nil for every other dialect.
	ItemPath *ItemPath `yaml:"-"`
}

// Rule says who may make some requests.
type Rule struct {
	// Plain prefix, such as /data; it covers itself and what lies below.
	Path string `yaml:"path"`
	// Methods it is for, GET standing for HEAD too. Empty means all.
	Methods []string `yaml:"methods"`
	// Who may: authenticated, or anonymous for everybody, with or without a token.
	Who string `yaml:"who"`
	// Groups, one of which the account must be in. Empty asks for none.
	Groups []string `yaml:"groups"`
	// Words that the token's scope must have, all of them. Empty asks for none.
	Scope []string `yaml:"scope"`
	// How long the token must still live, so that what begins with it can finish.
	Remaining Duration `yaml:"remaining"`
}

// NewRule returns a rule for everybody with a good token.
func NewRule(path string) Rule { return Rule{Path: path, Who: "authenticated"} }

// Allow says which accounts may use a service. The zero value allows all.
type Allow struct {
	// Names of groups; an account in any one of them may.
	Groups []string `yaml:"groups"`
	// Types of account: person, application.
	Types []string `yaml:"types"`
}

// Sesar is what only dialect sesar has.
type Sesar struct {
	// Second prefix, for the JSON API, such as /api. Empty turns that API off.
	JSONPath string `yaml:"json_path"`
	// Signature of access tokens: ES256 or HS256.
	AccessAlg string `yaml:"access_alg"`
	// Key for access tokens that verifiers elsewhere hold too: a PEM EC private key
	// (ES256) or a secret of 32 bytes or more (HS256). Empty means a key made and
	// kept here.
	AccessKeyFile string `yaml:"access_key_file"`
	// Also make tokens on GET auth/token/. Leave it false unless old clients need
	// it: a GET that changes something can be set off by a mere link.
	MintByGet bool `yaml:"mint_by_get"`
}

// EDI is what only dialect edi has.
type EDI struct {
	// PEM EC P-256 private key (SEC1 or PKCS#8) of an existing authentication
	// server, so that its verifiers go on. Empty means a key made and kept here.
	KeyFile string `yaml:"edi_key_file"`
	// PEM RSA private key for the legacy token. Empty means a key made and kept here.
	LegacyKeyFile string `yaml:"legacy_key_file"`
	// X.509 certificate published for the legacy key; needs legacy_key_file. Empty
	// means a self-signed one.
	LegacyCertFile string `yaml:"legacy_cert_file"`
	// How long a legacy token lives. 0s means access_lifetime.
	LegacyLifetime Duration `yaml:"legacy_lifetime"`
	// Hosts, with :PORT where it is not the usual one, to which signing in by a browser
	// may send people, and their tokens with them. Empty means none.
	ReturnHosts []string `yaml:"return_hosts"`
	// Let a legacy token without an edi-token beside it pass where requests go on to
	// another server. It names a person and no sign-in, and its signature is over MD5:
	// leave it false unless old scripts have nothing else.
	LegacyAlone bool `yaml:"legacy_alone"`
	// Hosted domain (hd) in the tokens.
	HD string `yaml:"hd"`
	// File with the service secret, 20 characters or more, of POST
	// /auth/v1/token/{edi_id}. Empty turns that call off (403).
	TokenKeyFile string `yaml:"token_key_file"`
	// Put our own claims into the header's kid, for sites that still run the old
	// server beside this one.
	PlainClaims bool `yaml:"plain_claims"`
	// Identity provider that an account without an outside identity appears under.
	IDPName string `yaml:"idp_name"`
	// Identity that such an account appears under. NAME stands for its name.
	IDPUid string `yaml:"idp_uid"`
	// Name of the group here whose members are vetted there.
	VettedGroup string `yaml:"vetted_group"`
	// EDI-ID of the system group Public.
	PublicID string `yaml:"public_id"`
	// EDI-ID of the system group Authenticated.
	AuthenticatedID string `yaml:"authenticated_id"`
	// EDI-ID of the system group Vetted.
	VettedID string `yaml:"vetted_id"`
}

// CollectiveAccess is what only dialect collectiveaccess has.
type CollectiveAccess struct {
	// Secret of 32 bytes or more that the site's PHP verifies tokens with, as its
	// graphql_services_jwt_token_key. Empty means a key made and kept here.
	KeyFile string `yaml:"graphql_services_jwt_token_key_file"`
	// How long an access token lives.
	AccessLifetime Duration `yaml:"graphql_services_jwt_access_token_lifetime"`
	// How long a refresh token, and everything made with it, lives.
	RefreshLifetime Duration `yaml:"graphql_services_jwt_refresh_token_lifetime"`
	// The site's PHP holds the key too: then an access token, which it could make
	// itself, no longer refreshes.
	KeyShared bool `yaml:"key_shared"`
	// Accept a key that is short or published as a default. Whoever knows it can make
	// access tokens of anyone.
	LegacyWeakKey bool `yaml:"legacy_weak_key"`
	// Shape of error objects: v15 or v14, as the library of that version has them.
	ErrorStyle string `yaml:"errorStyle"`
	// Whether signing in and validating need the attribute can_use_graphql_services.
	RequirePermission bool `yaml:"require_permission"`
}

// ItemPath is what only dialect itempath has.
type ItemPath struct {
	// Secret of 32 bytes or more that the backend verifies tokens with, as its
	// JWT_SECRET_KEY. Empty means a key made and kept here.
	KeyFile string `yaml:"jwt_secret_key_file"`
	// Status of a sign-in that failed: 404, as documented, or 401.
	LoginFailureStatus int `yaml:"login_failure_status"`
	// Status of a token that is not one of ours: 422, as its library has it, or 401.
	InvalidTokenStatus int `yaml:"invalid_token_status"`
	// How long an application token lives. 0s means without end.
	ApplicationLife Duration `yaml:"application_life"`
	// How long an application token may go unused before it ends. 0s means for ever.
	ApplicationIdle Duration `yaml:"application_idle"`
	// Name of the group whose members may read and change users.
	AdminGroup string `yaml:"admin_group"`
}

// MasterKeyPath returns the file that holds the master key, which may not exist
// yet. It is empty when the key itself came in SYMBOLON_MASTER_KEY.
func (c *Config) MasterKeyPath() string {
	switch {
	case c.MasterKeyFile != "":
		return c.MasterKeyFile
	case !c.MasterKey.IsZero():
		return ""
	}
	return filepath.Join(c.Data, "master.key")
}
