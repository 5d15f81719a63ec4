//! Who may speak with etcd, and with which of its members.

use crate::{SECOND, connect};
use data_encoding::BASE64;
use etcd_tests::{Servers, VERSIONS, free_port, post, post_as};
use rcgen::{
    BasicConstraints, CertificateParams,
    ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth},
    IsCa, Issuer, KeyPair,
};
use std::{fs, io};
use turnwise_cluster::{Engine, Fault};
use turnwise_etcd::{Etcd, Tls};

#[tokio::test]
async fn users_and_tokens() {
    for version in VERSIONS {
        let servers = Servers::start(version, 1, &[]).await;
        let port = servers.port(0);
        let key = |text: &str| BASE64.encode(text.as_bytes());
        let (begin, end) = (key("turnwise/tests/"), key("turnwise/tests0"));
        let perm = format!(
            r#"{{"name":"chat","perm":{{"permType":"READWRITE","key":"{begin}","range_end":"{end}"}}}}"#
        );
        for (path, body) in [
            ("user/add", r#"{"name":"root","password":"r"}"#),
            ("role/add", r#"{"name":"root"}"#),
            ("user/grant", r#"{"user":"root","role":"root"}"#),
            ("user/add", r#"{"name":"chat","password":"secret"}"#),
            ("role/add", r#"{"name":"chat"}"#),
            ("role/grant", &perm),
            ("user/grant", r#"{"user":"chat","role":"chat"}"#),
            ("enable", "{}"),
        ] {
            let done = post(port, &format!("/v3/auth/{path}"), body)
                .await
                .expect("an answer");
            assert!(done.get("error").is_none(), "{path}: {done}");
        }
        let builder = |cluster| Etcd::builder(cluster, servers.urls());
        let refused = |end: io::Result<Etcd>| end.expect_err("it is refused").to_string();
        let words = refused(builder("tests").connect().await);
        assert!(words.contains("user name is empty"), "{words}");
        let words = refused(builder("tests").user("chat", "wrong").connect().await);
        assert!(words.contains("authentication failed"), "{words}");
        let words = refused(builder("others").user("chat", "secret").connect().await);
        assert!(words.contains("permission denied"), "{words}");
        let etcd = builder("tests")
            .user("chat", "secret")
            .connect()
            .await
            .expect("it may");
        assert!(!format!("{etcd:?}").contains("secret"));
        let lease = etcd.grant(60 * SECOND).await.expect("a lease").lease;
        crate::engine::free_and_taken(&etcd, lease, "x").await;
        // A new password, though it is the same, makes all tokens invalid. So does time.
        let root = r#"{"name":"root","password":"r"}"#;
        let root = post(port, "/v3/auth/authenticate", root)
            .await
            .expect("a token");
        let root = root["token"].as_str().expect("a token");
        let done = post_as(
            port,
            root,
            "/v3/auth/user/changepw",
            r#"{"name":"chat","password":"secret"}"#,
        );
        let done = done.await.expect("an answer");
        assert!(done.get("error").is_none(), "{done}");
        crate::engine::free_and_taken(&etcd, lease, "y").await;
        assert_eq!(etcd.renew(lease).await, Ok(60 * SECOND));
        assert_eq!(etcd.revoke(lease).await, Ok(()));
    }
}

#[tokio::test]
async fn certificates() {
    let folder = processes::Folder::new();
    let authority_key = KeyPair::generate().expect("a key");
    let mut authority = CertificateParams::new([]).expect("names");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = authority
        .self_signed(&authority_key)
        .expect("a certificate")
        .pem();
    let issuer = Issuer::new(authority, authority_key);
    let signed = || {
        let key = KeyPair::generate().expect("a key");
        let mut certificate = CertificateParams::new(["127.0.0.1".to_owned()]).expect("names");
        // etcd's gateway is a client of its own server, and shows the server's certificate.
        certificate.extended_key_usages = vec![ServerAuth, ClientAuth];
        let certificate = certificate.signed_by(&key, &issuer).expect("a certificate");
        (certificate.pem(), key.serialize_pem())
    };
    let (server, client) = (signed(), signed());
    let file = |name: &str, text: &str| {
        let path = folder.join(name);
        fs::write(&path, text).expect("a file");
        path.display().to_string()
    };
    let flags = [
        format!("--cert-file={}", file("cert", &server.0)),
        format!("--key-file={}", file("key", &server.1)),
        format!("--trusted-ca-file={}", file("ca", &ca)),
        "--client-cert-auth".to_owned(),
    ];
    let flags: Vec<_> = flags.iter().map(String::as_str).collect();
    for version in VERSIONS {
        let servers = Servers::start(version, 1, &flags).await;
        let builder = || Etcd::builder("tests", servers.urls());
        assert!(
            builder().connect().await.is_err(),
            "https without an authority"
        );
        let stranger = signed_by_itself();
        assert!(builder().tls(Tls::new(stranger)).connect().await.is_err());
        assert!(
            builder().tls(Tls::new(&*ca)).connect().await.is_err(),
            "no certificate of its own"
        );
        let tls = Tls::new(&*ca).client_certificate(&*client.0, &*client.1);
        let etcd = etcd_tests::until("etcd has a leader", || async {
            builder().tls(tls.clone()).connect().await.ok()
        })
        .await;
        let lease = etcd.grant(60 * SECOND).await.expect("a lease").lease;
        crate::engine::free_and_taken(&etcd, lease, "x").await;
        assert_eq!(etcd.renew(lease).await, Ok(60 * SECOND));
    }
}

fn signed_by_itself() -> String {
    let key = KeyPair::generate().expect("a key");
    let certificate = CertificateParams::new(["127.0.0.1".to_owned()]).expect("names");
    certificate.self_signed(&key).expect("a certificate").pem()
}

/// A member that is not there is named, and the next one is asked.
#[tokio::test]
async fn endpoints() {
    let mut servers = Servers::start(VERSIONS[0], 1, &[]).await;
    let dead = format!("http://127.0.0.1:{}", free_port());
    let etcd = connect(vec![dead.clone(), servers.url(0)]).await;
    assert!(
        matches!(etcd.warnings(), [one] if one.contains(&dead)),
        "{:?}",
        etcd.warnings()
    );
    let lease = etcd.grant(60 * SECOND).await.expect("a lease").lease;
    crate::engine::free_and_taken(&etcd, lease, "x").await;
    // Connections that closed while they were idle are no failures.
    servers.kill(0);
    servers.restart(0);
    servers.answer().await;
    assert_eq!(etcd.renew(lease).await, Ok(60 * SECOND));
    servers.kill(0);
    assert!(matches!(etcd.renew(lease).await, Err(Fault::Failed(_))));
    let nobody = Etcd::builder("tests", [dead]).connect().await;
    assert!(
        nobody
            .expect_err("nobody is there")
            .to_string()
            .contains("refused")
    );
    for url in [
        "127.0.0.1:2379",
        "ftp://x",
        "http://user@x",
        "http://x/v3",
        "http://",
    ] {
        let refused = Etcd::builder("tests", [url]).connect().await;
        assert_eq!(
            refused.expect_err(url).kind(),
            io::ErrorKind::InvalidInput,
            "{url}"
        );
    }
    for cluster in ["", "a/b"] {
        let refused = Etcd::builder(cluster, ["http://127.0.0.1"]).connect().await;
        assert_eq!(
            refused.expect_err(cluster).kind(),
            io::ErrorKind::InvalidInput
        );
    }
}

/// Two truths: a key would have an owner in each.
#[tokio::test]
async fn endpoints_of_two_clusters() {
    let mut one = Servers::start(VERSIONS[0], 1, &[]).await;
    let other = Servers::start(VERSIONS[0], 1, &["--initial-cluster-token=other"]).await;
    let etcd = connect(vec![one.url(0), other.url(0)]).await;
    one.kill(0);
    let fault = etcd.grant(60 * SECOND).await;
    assert_eq!(
        fault,
        Err(Fault::Failed(
            "the endpoints are not of one etcd cluster".into()
        ))
    );
}
