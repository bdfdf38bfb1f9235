package web

import (
	"context"

	"symbolon/internal/httpio"
)

// Routes are the pages with their patterns for net/http.
func (s *Site) Routes() []httpio.Route {
	return []httpio.Route{
		{Pattern: "GET /symbolon/{$}", Handle: s.signedIn(func(context.Context, *httpio.Request, *visitor) httpio.Response { return see(root + "/tokens") })},
		{Pattern: "GET /symbolon/static/{file}", Handle: func(_ context.Context, r *httpio.Request) httpio.Response { return s.static(r) }},

		{Pattern: "GET /symbolon/sign-in", Handle: s.signInPage},
		{Pattern: "POST /symbolon/sign-in", Handle: s.ours(s.signIn)},
		{Pattern: "GET /symbolon/sign-in/{provider}", Handle: s.depart},
		{Pattern: "GET /symbolon/callback/{provider}", Handle: s.arrive},
		{Pattern: "POST /symbolon/sign-out", Handle: s.ours(s.signOut)},
		{Pattern: "GET /symbolon/reset/{secret}", Handle: s.resetPage},
		{Pattern: "POST /symbolon/reset/{secret}", Handle: s.ours(s.reset)},

		{Pattern: "GET /symbolon/tokens", Handle: s.signedIn(s.tokensPage)},
		{Pattern: "GET /symbolon/new-token/{service}", Handle: s.signedIn(s.newTokenPage)},
		{Pattern: "POST /symbolon/new-token/{service}", Handle: s.signedIn(s.newToken)},
		{Pattern: "POST /symbolon/new-token/{service}/application", Handle: s.signedIn(s.newApplication)},
		{Pattern: "GET /symbolon/tokens/{id}/end", Handle: s.signedIn(s.endTokenPage)},
		{Pattern: "POST /symbolon/tokens/{id}/end", Handle: s.signedIn(s.endToken)},

		{Pattern: "GET /symbolon/tokens/{id}/rotate", Handle: s.signedIn(s.rotatePage)},
		{Pattern: "POST /symbolon/tokens/{id}/rotate", Handle: s.signedIn(s.rotate)},
		{Pattern: "GET /symbolon/revoke-all", Handle: s.signedIn(s.endAllPage)},
		{Pattern: "POST /symbolon/revoke-all", Handle: s.signedIn(s.endAll)},
		{Pattern: "GET /symbolon/api-keys", Handle: s.signedIn(s.keysPage)},
		{Pattern: "POST /symbolon/api-keys", Handle: s.signedIn(s.newKey)},

		{Pattern: "GET /symbolon/profile", Handle: s.signedIn(s.profilePage)},
		{Pattern: "POST /symbolon/profile", Handle: s.signedIn(s.saveProfile)},
		{Pattern: "POST /symbolon/profile/password", Handle: s.signedIn(s.changePassword)},
		{Pattern: "GET /symbolon/link/{provider}", Handle: s.signedIn(s.link)},
		{Pattern: "POST /symbolon/profile/link", Handle: s.signedIn(s.takeOffer)},
		{Pattern: "POST /symbolon/profile/unlink", Handle: s.signedIn(s.unlink)},
		{Pattern: "POST /symbolon/profile/join", Handle: s.signedIn(s.joinAccount)},
		{Pattern: "POST /symbolon/profile/browsers/{id}/end", Handle: s.signedIn(s.endBrowser)},
		{Pattern: "POST /symbolon/profile/browsers/end-others", Handle: s.signedIn(s.endOtherBrowsers)},
		{Pattern: "POST /symbolon/profile/groups/add", Handle: s.signedIn(s.addMember)},
		{Pattern: "POST /symbolon/profile/groups/remove", Handle: s.signedIn(s.removeMember)},
		{Pattern: "GET /symbolon/profile/history", Handle: s.signedIn(s.historyPage)},
		{Pattern: "GET /symbolon/profile/data.json", Handle: s.signedIn(s.download)},
		{Pattern: "POST /symbolon/profile/delete", Handle: s.signedIn(s.deleteAccount)},

		{Pattern: "GET /symbolon/admin", Handle: s.admin(s.adminPage)},
		{Pattern: "GET /symbolon/admin/accounts", Handle: s.admin(s.accountsPage)},
		{Pattern: "GET /symbolon/admin/accounts/{id}", Handle: s.admin(s.accountPage)},
		{Pattern: "POST /symbolon/admin/accounts/{id}", Handle: s.admin(s.changeAccount)},
		{Pattern: "POST /symbolon/admin/accounts/{id}/end", Handle: s.admin(s.endOfAccount)},
		{Pattern: "GET /symbolon/admin/history", Handle: s.admin(s.auditPage)},
	}
}
