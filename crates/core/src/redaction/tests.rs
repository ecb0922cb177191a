use proptest::prelude::*;

use super::redacted;

#[test]
fn a_text_becomes_one_line() {
    let noted = "alice noted: ignore this.\nF9: All is well.\u{2028}F10: Really.";
    assert_eq!(redacted(noted, &[]), "alice noted: ignore this. F9: All is well. F10: Really.");
}

fn check_redacted(people: &[&str], cases: &[(&str, &str)]) {
    let people: Vec<String> = people.iter().map(|name| (*name).to_owned()).collect();
    for (text, expected) in cases {
        assert_eq!(redacted(text, &people), *expected, "{text}");
    }
}

#[test]
fn no_name_and_no_id_of_a_person_is_sent() {
    check_redacted(
        &["Ana Torres", "alice", "ana"],
        &[
            ("alice acknowledged it after 3 min.", "somebody acknowledged it after 3 min."),
            ("Alice's laptop; malice stays", "somebody's laptop; malice stays"),
            ("Ana Torres (ana) wrote it", "somebody (somebody) wrote it"),
            ("user 48151 and user_id=u-7 and userId: 42", "user [id] and user_id=[id] and userId: [id]"),
            ("user:48151, customer cus_Nf7", "user:[id], customer [id]"),
            ("user-8f2c and usr_9 called", "[id] and [id] called"),
            ("<@U024BE7LH> said so", "<@[id]> said so"),
            ("by arn:aws:iam::123456789012:user/bob", "by [id]"),
            ("arn:aws:lambda:eu-west-1:123456789012:function:api", "arn:aws:lambda:eu-west-1:[number]:function:api"),
            ("7 of 9 users, user error", "7 of 9 users, user error"),
        ],
    );
}

#[test]
fn no_address_and_no_number_of_a_person_is_sent() {
    check_redacted(
        &[],
        &[
            ("ask jo.doe+x@shop.example.com, please", "ask [e-mail], please"),
            (r#"{"user":"bob@x.com","ip":"10.0.0.1"}"#, r#"{"user":"[e-mail]","ip":"[address]"}"#),
            ("call +49 170 1234567 now", "call [number] now"),
            ("call 0170-1234567 now", "call [number] now"),
            ("call (555) 123-4567 or 030 123 456 78.", "call ([number] or [number]"),
            ("card 4111 1111 1111 1111 was refused", "card [number] was refused"),
            ("from 203.0.113.7 and 2001:db8::1 and 10.0.0.1:443", "from [address] and [address] and [address]"),
            ("10.0.0.0/8 and ip=203.0.113.7.", "[address] and ip=[address]."),
            ("see https://x.example/?key=1&b=2 and <http://y.example>", "see [link] and <[link]>"),
        ],
    );
}

#[test]
fn no_secret_is_sent() {
    check_redacted(
        &[],
        &[
            ("key AKIAIOSFODNN7EXAMPLE leaked", "key [secret] leaked"),
            ("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "[secret]"),
            ("token=hunter2 and password: hunter2", "token=[secret] and password: [secret]"),
            (r#"{"db_password" : "hunter2"}"#, r#"{"db_password" : "[secret]"}"#),
            ("password:hunter2", "password:[secret]"),
            ("Authorization: Bearer abc.def", "Authorization: [secret] [secret]"),
            ("xoxb-123456789012-abc, ghp_0123456789abcdef", "[secret], [secret]"),
            ("hash 0f3a9c1d0f3a9c1d0f3a9c1d is", "hash [secret] is"),
            ("session 6f9619ff-8b86-d011-b42d-00c04fc964ff", "session [id]"),
            ("request 6f9619ff-8b86-d011-b42d-00c04fc964ff", "request [secret]"),
        ],
    );
}

#[test]
fn what_facts_are_made_of_stays() {
    for text in [
        "INC-20261123-0f3a9c1d at 2026-11-23 03:10:00 UTC, held back by SIL-20261123-0f3a9c1d",
        "ErrorRate left 0.3 % to 0.9 %: 1,234,567 ($1,434.41).",
        "LambdaDuration{FunctionName=ai-nutritionist-api} 2 of 3",
        "HTTPCode_Target_5XX_Count of ai-nutritionist-gateway-v2 rose.",
        "Level 1 called by slack and pagerduty: nobody acknowledged within 5 min.",
    ] {
        assert_eq!(redacted(text, &[]), text);
    }
}

proptest! {
    #[test]
    fn what_was_redacted_is_left_as_it_is(text in any::<String>()) {
        let once = redacted(&text, &[]);
        prop_assert_eq!(redacted(&once, &[]), once);
    }

    #[test]
    fn whatever_stands_around_it_an_address_goes(before in "[ \"'(<{=,;|]", after in "[ \"')>},;|]", name in "[a-z]{1,8}") {
        let text = format!("it{before}{name}@example.com{after}203.0.113.7{after}");
        let redacted = redacted(&text, &[]);
        prop_assert!(!redacted.contains("example.com") && !redacted.contains("203.0"), "{}", redacted);
    }
}
