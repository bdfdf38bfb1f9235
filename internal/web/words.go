package web

import "symbolon/internal/audit"

// deeds are what people call the kinds of audit line.
var deeds = map[audit.Kind]string{
	audit.Issued:            "made",
	audit.EndedByLimit:      "ended to make room for a newer one",
	audit.Revoked:           "revoked",
	audit.Replaced:          "replaced by a new one",
	audit.RefreshRaced:      "refreshed twice at once: refused, nothing ended",
	audit.RefreshReplayed:   "refreshed again: the same answer given once more",
	audit.RefreshReused:     "an old refresh token was used: all of its pair ended",
	audit.RefreshRefused:    "refresh refused",
	audit.StoreWentBack:     "a token from the future was presented",
	audit.AccountAdded:      "account made",
	audit.AccountChanged:    "account changed",
	audit.AccountDisabled:   "account disabled",
	audit.AccountEnabled:    "account enabled",
	audit.AccountDeleted:    "account deleted",
	audit.AccountJoined:     "two accounts made one",
	audit.IdentityLinked:    "way to sign in added",
	audit.IdentityUnlinked:  "way to sign in removed",
	audit.PasswordChanged:   "password changed",
	audit.ResetLinkMade:     "link to set a new password made",
	audit.SignedIn:          "signed in",
	audit.SignedOut:         "signed out",
	audit.GroupAdded:        "group made",
	audit.GroupDeleted:      "group deleted",
	audit.MemberAdded:       "put into a group",
	audit.MemberRemoved:     "taken out of a group",
	audit.SignInFailed:      "sign-in failed",
	audit.ServiceKeyUsed:    "service key used",
	audit.ServiceKeyRefused: "service key refused",
	audit.KeyAdded:          "signing key made",
	audit.KeySigns:          "signing key begins to sign",
	audit.KeyRemoved:        "signing key removed",
	audit.KeysResealed:      "signing keys sealed anew",
	audit.EpochBegun:        "restored from a backup",
}

// deed falls back on the word of the log.
func deed(k audit.Kind) string {
	if w, ok := deeds[k]; ok {
		return w
	}
	return string(k)
}
