import java.io.*; import java.net.URI; import java.net.http.*; import java.security.*; import java.security.spec.*;
import java.util.*; import java.util.regex.Pattern; import java.util.zip.InflaterInputStream;
/** Checks access tokens of one SESAR service without asking the server about each, with a JDK of version 17 alone.
 *      java Verify.java https://tokens.example.org samples < tokens.txt
 *  One token a line; prints "good USER", "expired", "revoked", "wrong service", "bad token", or "unavailable", on which
 *  nobody may be let in. */
class Verify {
    record Kept(double until, String text) { }
    static String server, service, keys; // keys: their address
    static final Map<String, Kept> kept = new HashMap<>();
    static byte[] b64(String s) { return Base64.getUrlDecoder().decode(s); }
    static double now() { return System.currentTimeMillis() / 1e3; }
    static double number(String json, String name) { return Double.parseDouble("0" + get(json, name)); }
    static String get(String json, String name) { // JSON as the server writes it: no blanks; in texts, quotes escaped
        var member = Pattern.compile("\"" + name + "\":\"?([^\"\\\\,}]*)").matcher(json);
        return member.find() ? member.group(1) : "";
    }
    static String cached(String address) { // keys for five minutes; of a list its claims, for its ttl and not past exp
        if (kept.containsKey(address) && now() < kept.get(address).until) return kept.get(address).text;
        try {
            var ask = HttpRequest.newBuilder(URI.create(address)).timeout(java.time.Duration.ofSeconds(10)).build();
            var answer = HttpClient.newHttpClient().send(ask, HttpResponse.BodyHandlers.ofString());
            boolean list = !address.equals(keys);
            var text = list ? signed(answer.body(), "statuslist+jwt") : answer.body();
            if (answer.statusCode() != 200 || list && !get(text, "sub").equals(address)) throw new Exception();
            double until = list ? Math.min(now() + number(text, "ttl"), number(text, "exp")) : now() + 300;
            return kept.merge(address, new Kept(until, text), (old, k) -> k).text;
        } catch (Exception e) { throw new IllegalStateException("unavailable"); }
    }
    static String signed(String token, String typ) throws Exception { // the claims, when a key of the service signed
        String[] p = token.split("\\.", 3);
        String head = new String(b64(p[0])), set = cached(keys);
        var k = Pattern.compile("\\{[^{}]*\"kid\":\"" + Pattern.quote(get(head, "kid")) + "\"[^{}]*}").matcher(set);
        if (!k.find() || !get(head, "typ").equals(typ) || head.contains("\"crit\"")) throw new Exception("not ours");
        var hex = HexFormat.of();
        var spki = hex.parseHex("3059301306072a8648ce3d020106082a8648ce3d03010703420004"
            + hex.formatHex(b64(get(k.group(), "x"))) + hex.formatHex(b64(get(k.group(), "y"))));
        var check = Signature.getInstance("SHA256withECDSAinP1363Format"); // whatever alg says
        check.initVerify(KeyFactory.getInstance("EC").generatePublic(new X509EncodedKeySpec(spki)));
        check.update((p[0] + "." + p[1]).getBytes());
        if (!check.verify(b64(p[2]))) throw new Exception("forged");
        return new String(b64(p[1]), "UTF-8");
    }
    static String check(String token) throws Exception {
        String c = signed(token, "JWT"), uri = get(c, "uri");
        if (!get(c, "token_type").equals("access") || !uri.startsWith(server + "/symbolon/status/")) return "bad token";
        if (!get(c, "iss").equals(server) || !get(c, "aud").equals(service)) return "wrong service";
        if (number(c, "exp") <= now() || number(c, "iat") > now()) return "expired";
        String list = cached(uri);
        boolean early = number(c, "iat") < Math.max(number(list, ""), number(list, service));
        var bits = new InflaterInputStream(new ByteArrayInputStream(b64(get(list, "lst")))).readNBytes(1 << 17);
        int idx = (int) number(c, "idx"), ended = bits[idx >> 3] >> (idx & 7) & 1;
        return early || ended != 0 ? "revoked" : "good " + get(c, "user_id");
    }
    public static void main(String[] args) {
        keys = (server = args[0]) + "/symbolon/keys/" + (service = args[1]) + "/jwks.json";
        for (var in = new Scanner(System.in); in.hasNextLine();) try { System.out.println(check(in.nextLine().trim()));
        } catch (Exception e) { System.out.println(e instanceof IllegalStateException ? e.getMessage() : "bad token"); }
    }
}
