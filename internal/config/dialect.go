package config

import "time"

// dialect is what the configuration knows of one dialect.
type dialect struct {
	name string
	// own returns the dialect's own struct in s, making it when it is nil.
	own func(s *Service) any
	// defaults fills a new service.
	defaults func(s *Service)
	// unused holds the common keys that mean nothing here. :: key → why
	unused map[string]string
	// check reports what is wrong with a service at a key path.
	check func(r *report, path string, s *Service)
}

var dialects = []dialect{
	{
		name: "sesar",
		own: func(s *Service) any {
			if s.Sesar == nil {
				s.Sesar = &Sesar{}
			}
			return s.Sesar
		},
		defaults: sesarDefaults,
		check:    checkSesar,
	},
	{
		name: "edi",
		own: func(s *Service) any {
			if s.EDI == nil {
				s.EDI = &EDI{}
			}
			return s.EDI
		},
		defaults: ediDefaults,
		unused: map[string]string{
			"refresh_lifetime": "an edi token is refreshed by itself until its cap",
			"replay":           "an edi token is not used up by a refresh",
			"replay_window":    "an edi token is not used up by a refresh",
			"pairs":            "edi has no generated pairs",
		},
		check: checkEDI,
	},
	{
		name: "collectiveaccess",
		own: func(s *Service) any {
			if s.CollectiveAccess == nil {
				s.CollectiveAccess = &CollectiveAccess{}
			}
			return s.CollectiveAccess
		},
		defaults: collectiveAccessDefaults,
		unused: map[string]string{
			"access_lifetime":  "it is called graphql_services_jwt_access_token_lifetime here",
			"refresh_lifetime": "it is called graphql_services_jwt_refresh_token_lifetime here",
			"replay":           "a collectiveaccess token is not used up by a refresh",
			"replay_window":    "a collectiveaccess token is not used up by a refresh",
			"pairs":            "collectiveaccess has no generated pairs",
		},
		check: checkCollectiveAccess,
	},
	{
		name: "itempath",
		own: func(s *Service) any {
			if s.ItemPath == nil {
				s.ItemPath = &ItemPath{}
			}
			return s.ItemPath
		},
		defaults: itemPathDefaults,
		unused: map[string]string{
			"issuer":        "an itempath token names no issuer",
			"audience":      "an itempath token names no audience",
			"replay":        "an itempath token is not used up by a refresh",
			"replay_window": "an itempath token is not used up by a refresh",
			"pairs":         "itempath has no generated pairs",
		},
		check: checkItemPath,
	},
}

func sesarDefaults(s *Service) {
	s.AccessLifetime, s.RefreshLifetime = Day, 30*Day
	s.Replay, s.ReplayWindow = "refuse", Duration(time.Minute)
	s.Pairs = 5
	s.Sesar = &Sesar{AccessAlg: "ES256"}
}

func ediDefaults(s *Service) {
	s.Issuer = "https://auth.edirepository.org"
	s.AccessLifetime, s.Cap = Duration(8*time.Hour), 30*Day
	s.EDI = &EDI{
		HD:              "edirepository.org",
		IDPName:         "ldap",
		IDPUid:          "uid=NAME,o=EDI,dc=edirepository,dc=org",
		VettedGroup:     "vetted",
		PublicID:        "EDI-078e6e3cee4f7f2812f150701da9351acb51e089",
		AuthenticatedID: "EDI-7be3510d08def0dfc667824ebd4f4f1bbd770234",
		VettedID:        "EDI-bdae74972ed710c56b1e0df18ccb6e23c31f60f6",
	}
}

func collectiveAccessDefaults(s *Service) {
	s.CollectiveAccess = &CollectiveAccess{AccessLifetime: Duration(15 * time.Minute), RefreshLifetime: 7 * Day, ErrorStyle: "v15"}
}

func itemPathDefaults(s *Service) {
	s.AccessLifetime, s.RefreshLifetime = Duration(15*time.Minute), 30*Day
	s.ItemPath = &ItemPath{LoginFailureStatus: 404, InvalidTokenStatus: 422, AdminGroup: "admins"}
}

// findDialect returns nil for an unknown name.
func findDialect(name string) *dialect {
	for i := range dialects {
		if dialects[i].name == name {
			return &dialects[i]
		}
	}
	return nil
}

func dialectNames() []string {
	var names []string
	for _, d := range dialects {
		names = append(names, d.name)
	}
	return names
}
