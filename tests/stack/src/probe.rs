//! A function that makes any call it is told to, under a role of the suite: what it is refused, the role refuses.

use std::{fs, path::Path, thread, time::Duration};

use serde_json::{Value, json};

use crate::{
    aws::{ACCOUNT, Aws},
    path_from_env,
};

/// Answers with the code of the error, or with nothing.
const BOOTSTRAP: &str = r#"
import json, os, urllib.request
import botocore.session
from botocore.exceptions import ClientError

api = f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2018-06-01/runtime/invocation"
while True:
    with urllib.request.urlopen(f"{api}/next") as event:
        request, call = event.headers["Lambda-Runtime-Aws-Request-Id"], json.load(event)
    try:
        client = botocore.session.get_session().create_client(call["service"], region_name=os.environ["AWS_REGION"])
        getattr(client, call["operation"])(**call["arguments"])
        answer = None
    except ClientError as error:
        answer = error.response["Error"]["Code"]
    body = json.dumps(answer).encode()
    urllib.request.urlopen(urllib.request.Request(f"{api}/{request}/response", body, method="POST")).close()
"#;

/// A function under one of the suite's roles.
#[derive(Debug)]
pub struct Probe<'a> {
    aws: &'a Aws,
    name: String,
}

impl<'a> Probe<'a> {
    /// Creates it, and waits until it can be invoked.
    pub(crate) fn create(aws: &'a Aws, function: &str, role: &str) -> Self {
        let name = format!("probe-{function}");
        let zip = aws.folder().join(format!("{name}.zip"));
        write_zip(&zip);
        let role = format!("arn:aws:iam::{ACCOUNT}:role/{role}");
        let code = format!("fileb://{}", zip.display());
        let _ = aws.run(&[
            "lambda",
            "create-function",
            "--function-name",
            &name,
            "--runtime",
            "provided.al2023",
            "--handler",
            "bootstrap",
            "--role",
            &role,
            "--timeout",
            "60",
            "--memory-size",
            "256",
            "--zip-file",
            &code,
        ]);
        let probe = Self { aws, name };
        while aws.run(&["lambda", "get-function-configuration", "--function-name", &probe.name])["State"] != "Active" {
            thread::sleep(Duration::from_millis(200));
        }
        probe
    }

    /// Makes a call, named as botocore names it, and returns the code of its error.
    #[must_use]
    pub fn call(&self, service: &str, operation: &str, arguments: &Value) -> Option<String> {
        let call = json!({"service": service, "operation": operation, "arguments": arguments}).to_string();
        let output = self.aws.folder().join(format!("{}.json", self.name));
        let said = self.aws.run(&[
            "lambda",
            "invoke",
            "--function-name",
            &self.name,
            "--payload",
            &call,
            &output.display().to_string(),
        ]);
        let answer = fs::read_to_string(output).expect("an answer of the probe");
        assert!(said["FunctionError"].is_null(), "the probe failed at {call}: {answer}");
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error}: {answer}"))
    }
}

/// A zip with the bootstrap, which runs on the Python that has botocore: the one of the `aws` command.
fn write_zip(zip: &Path) {
    let python = path_from_env("AWS_CLI").with_file_name("python");
    let folder = zip.with_extension("");
    fs::create_dir_all(&folder).expect("a folder");
    let bootstrap = folder.join("bootstrap");
    fs::write(&bootstrap, format!("#!{}\n{BOOTSTRAP}", python.display())).expect("a bootstrap");
    let made = std::process::Command::new(&python)
        .args([
            "-c",
            "import sys, zipfile\n\
             entry = zipfile.ZipInfo('bootstrap')\n\
             entry.external_attr = 0o100755 << 16\n\
             zipfile.ZipFile(sys.argv[2], 'w').writestr(entry, open(sys.argv[1]).read())",
        ])
        .args([&bootstrap, &zip.to_owned()])
        .status();
    assert!(made.is_ok_and(|status| status.success()), "cannot write {}", zip.display());
}
