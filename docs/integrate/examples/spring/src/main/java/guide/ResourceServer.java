package guide;

import java.net.URI;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.context.annotation.Bean;
import org.springframework.security.config.Customizer;
import org.springframework.security.config.annotation.web.builders.HttpSecurity;
import org.springframework.security.core.annotation.AuthenticationPrincipal;
import org.springframework.security.oauth2.core.DelegatingOAuth2TokenValidator;
import org.springframework.security.oauth2.jose.jws.SignatureAlgorithm;
import org.springframework.security.oauth2.jwt.Jwt;
import org.springframework.security.oauth2.jwt.JwtClaimValidator;
import org.springframework.security.oauth2.jwt.JwtDecoder;
import org.springframework.security.oauth2.jwt.JwtTypeValidator;
import org.springframework.security.oauth2.jwt.JwtValidators;
import org.springframework.security.oauth2.jwt.NimbusJwtDecoder;
import org.springframework.security.web.SecurityFilterChain;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RestController;

/** A resource server: Spring Security checks the token (RFC 9068) and its DPoP proof (RFC 9449). */
@SpringBootApplication
@RestController
public class ResourceServer {
  private static final String ISSUER = "http://localhost:8000";
  private static final String RESOURCE = "http://localhost:9002/dossiers";

  public static void main(String[] arguments) {
    System.setProperty("server.port", String.valueOf(URI.create(RESOURCE).getPort()));
    SpringApplication.run(ResourceServer.class, arguments);
    System.out.println("Listening at " + RESOURCE);
  }

  @Bean
  SecurityFilterChain security(HttpSecurity http) throws Exception {
    http.authorizeHttpRequests(requests -> requests.anyRequest().authenticated());
    // With `jwt`, Spring Security 6.5 also checks DPoP proofs.
    http.oauth2ResourceServer(server -> server.jwt(Customizer.withDefaults()));
    return http.build();
  }

  @Bean
  JwtDecoder tokens() {
    NimbusJwtDecoder decoder =
        NimbusJwtDecoder.withJwkSetUri(ISSUER + "/jwks")
            .jwsAlgorithm(SignatureAlgorithm.PS256)
            .validateType(false) // the type is checked below: `at+jwt`
            .build();
    decoder.setJwtValidator(
        new DelegatingOAuth2TokenValidator<>(
            JwtValidators.createDefaultWithIssuer(ISSUER),
            new JwtTypeValidator(List.of("at+jwt")),
            new JwtClaimValidator<List<String>>("aud", aud -> aud != null && aud.contains(RESOURCE))));
    return decoder;
  }

  /** Says who acts, for whom, and what was given. Decide on these three together. */
  @GetMapping("/dossiers")
  @SuppressWarnings("unchecked")
  Map<String, Object> describe(@AuthenticationPrincipal Jwt token) {
    Map<String, Object> represents = token.getClaimAsMap("represents");
    Object organisation = null;
    if (represents != null && represents.get("represents") instanceof Map<?, ?> citizen) {
      organisation = represents.get("sub"); // an employee: the organisation is between him and the citizen
      represents = (Map<String, Object>) citizen;
    }
    String level = token.getClaimAsString("acr");
    List<Map<String, Object>> details = token.getClaim("authorization_details");
    Map<String, Object> described = new LinkedHashMap<>();
    described.put("acts", represents == null ? "for himself" : "for another");
    described.put("same person", represents != null && token.getSubject().equals(represents.get("sub")));
    described.put("organisation", organisation);
    described.put("level", level.substring(level.lastIndexOf('/') + 1));
    described.put("actions", details.get(0).get("actions"));
    return described;
  }
}
