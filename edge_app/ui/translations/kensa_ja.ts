<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="ja_JP">
<context>
    <name>AndonBar</name>
    <message>
        <source>since {time}</source>
        <translation>{time} から</translation>
    </message>
</context>
<context>
    <name>ComparisonView</name>
    <message>
        <source>this part</source>
        <translation>このワーク</translation>
    </message>
    <message>
        <source>as the model would rebuild it</source>
        <translation>モデルによる再構成</translation>
    </message>
    <message>
        <source>strange place</source>
        <translation>異常箇所</translation>
    </message>
    <message>
        <source>most like it, good part {number}</source>
        <translation>最も近い良品 {number}</translation>
    </message>
    <message>
        <source>This model keeps no good pictures to compare with.</source>
        <translation>このモデルには比較できる良品画像がありません。</translation>
    </message>
</context>
<context>
    <name>CountersPanel</name>
    <message>
        <source>parts</source>
        <translation>検査数</translation>
    </message>
    <message>
        <source>yield</source>
        <translation>良品率</translation>
    </message>
    <message>
        <source>Reset</source>
        <translation>リセット</translation>
    </message>
</context>
<context>
    <name>FactsBar</name>
    <message>
        <source>Product</source>
        <translation>品種</translation>
    </message>
    <message>
        <source>Bundle</source>
        <translation>モデル</translation>
    </message>
    <message>
        <source>Threshold</source>
        <translation>しきい値</translation>
    </message>
    <message>
        <source>Device</source>
        <translation>デバイス</translation>
    </message>
    <message>
        <source>Median</source>
        <translation>中央値</translation>
    </message>
    <message>
        <source>99 %</source>
        <translation>99 %</translation>
    </message>
    <message>
        <source>Dropped</source>
        <translation>取りこぼし</translation>
    </message>
</context>
<context>
    <name>Gallery</name>
    <message>
        <source>usual</source>
        <translation>通常</translation>
    </message>
    <message>
        <source>pressed</source>
        <translation>押下</translation>
    </message>
    <message>
        <source>switched on</source>
        <translation>選択中</translation>
    </message>
    <message>
        <source>not now</source>
        <translation>無効</translation>
    </message>
    <message>
        <source>grave</source>
        <translation>重大</translation>
    </message>
    <message>
        <source>main</source>
        <translation>主操作</translation>
    </message>
    <message>
        <source>what happened, and what to do</source>
        <translation>起きたことと対処方法</translation>
    </message>
    <message>
        <source>A question?</source>
        <translation>質問ですか？</translation>
    </message>
    <message>
        <source>What will happen when it is answered with yes.</source>
        <translation>「はい」で何が起きるかの説明です。</translation>
    </message>
    <message>
        <source>Do it</source>
        <translation>実行する</translation>
    </message>
    <message>
        <source>Leave it</source>
        <translation>やめる</translation>
    </message>
</context>
<context>
    <name>HeatLegend</name>
    <message>
        <source>threshold</source>
        <translation>しきい値</translation>
    </message>
</context>
<context>
    <name>LinePage</name>
    <message>
        <source>Start</source>
        <translation>開始</translation>
    </message>
    <message>
        <source>Stop</source>
        <translation>停止</translation>
    </message>
    <message>
        <source>Menu</source>
        <translation>メニュー</translation>
    </message>
    <message>
        <source>Set the counters to zero?</source>
        <translation>カウンターをゼロに戻しますか？</translation>
    </message>
    <message>
        <source>Parts, GOOD, NG, NO VERDICT and yield start again. The records of all parts stay.</source>
        <translation>検査数・良品・NG・判定不能・良品率を数え直します。すべてのワークの記録は残ります。</translation>
    </message>
    <message>
        <source>Set to zero</source>
        <translation>ゼロに戻す</translation>
    </message>
    <message>
        <source>Keep counting</source>
        <translation>このまま続ける</translation>
    </message>
    <message>
        <source>Last picture, {time}</source>
        <translation>最後の画像 {time}</translation>
    </message>
    <message>
        <source>Trigger</source>
        <translation>トリガー</translation>
    </message>
    <message>
        <source>Trend</source>
        <translation>推移</translation>
    </message>
</context>
<context>
    <name>Menu</name>
    <message>
        <source>Dark</source>
        <translation>暗い画面</translation>
    </message>
    <message>
        <source>Light</source>
        <translation>明るい画面</translation>
    </message>
    <message>
        <source>Lock</source>
        <translation>ロック</translation>
    </message>
    <message>
        <source>Close</source>
        <translation>閉じる</translation>
    </message>
</context>
<context>
    <name>NewPinSheet</name>
    <message>
        <source>No PIN was set yet. Choose one of {least} to {most} digits.</source>
        <translation>暗証番号がまだありません。{least}～{most} 桁で決めてください。</translation>
    </message>
    <message>
        <source>A new PIN</source>
        <translation>新しい暗証番号</translation>
    </message>
    <message>
        <source>Once more the same, please.</source>
        <translation>もう一度入力してください。</translation>
    </message>
    <message>
        <source>They were not the same. Choose a PIN.</source>
        <translation>一致しません。もう一度決めてください。</translation>
    </message>
</context>
<context>
    <name>Pages</name>
    <message>
        <source>Review</source>
        <translation>判定確認</translation>
    </message>
    <message>
        <source>History</source>
        <translation>履歴</translation>
    </message>
    <message>
        <source>Batch</source>
        <translation>一括検査</translation>
    </message>
    <message>
        <source>Tuning</source>
        <translation>しきい値調整</translation>
    </message>
    <message>
        <source>Recipe</source>
        <translation>レシピ</translation>
    </message>
    <message>
        <source>Teach</source>
        <translation>学習</translation>
    </message>
    <message>
        <source>Models</source>
        <translation>モデル管理</translation>
    </message>
</context>
<context>
    <name>PartSheet</name>
    <message>
        <source>Close</source>
        <translation>閉じる</translation>
    </message>
    <message>
        <source>{count}, the strongest {peak}</source>
        <translation>{count} か所、最大 {peak}</translation>
    </message>
    <message>
        <source>Time</source>
        <translation>時刻</translation>
    </message>
    <message>
        <source>Record</source>
        <translation>記録番号</translation>
    </message>
    <message>
        <source>Score</source>
        <translation>スコア</translation>
    </message>
    <message>
        <source>Threshold</source>
        <translation>しきい値</translation>
    </message>
    <message>
        <source>Places</source>
        <translation>異常箇所</translation>
    </message>
    <message>
        <source>Product</source>
        <translation>品種</translation>
    </message>
    <message>
        <source>Bundle</source>
        <translation>モデル</translation>
    </message>
    <message>
        <source>Device</source>
        <translation>デバイス</translation>
    </message>
    <message>
        <source>Compare</source>
        <translation>比較</translation>
    </message>
    <message>
        <source>weak</source>
        <translation>弱</translation>
    </message>
    <message>
        <source>medium</source>
        <translation>中</translation>
    </message>
    <message>
        <source>strong</source>
        <translation>強</translation>
    </message>
    <message>
        <source>comparing</source>
        <translation>比較中</translation>
    </message>
    <message>
        <source>Number</source>
        <translation>番号</translation>
    </message>
    <message>
        <source>Strength</source>
        <translation>濃さ</translation>
    </message>
</context>
<context>
    <name>PictureView</name>
    <message>
        <source>no picture of this part</source>
        <translation>このワークの画像はありません</translation>
    </message>
</context>
<context>
    <name>PinSheet</name>
    <message>
        <source>Cancel</source>
        <translation>取消</translation>
    </message>
    <message>
        <source>Engineer&apos;s PIN</source>
        <translation>技術者の暗証番号</translation>
    </message>
    <message>
        <source>Wrong PIN</source>
        <translation>暗証番号が違います</translation>
    </message>
    <message>
        <source>Too many wrong PINs. Try again in {seconds} s.</source>
        <translation>誤入力が続きました。{seconds} 秒後に入力できます。</translation>
    </message>
</context>
<context>
    <name>ScoreBar</name>
    <message>
        <source>Score {score}</source>
        <translation>スコア {score}</translation>
    </message>
    <message>
        <source>Threshold {threshold}</source>
        <translation>しきい値 {threshold}</translation>
    </message>
</context>
<context>
    <name>ThumbnailStrip</name>
    <message>
        <source>The last NG parts will be here</source>
        <translation>直近の NG がここに並びます</translation>
    </message>
</context>
<context>
    <name>TrendPanel</name>
    <message>
        <source>Trend of scores</source>
        <translation>スコアの推移</translation>
    </message>
    <message>
        <source>last {number}</source>
        <translation>直近 {number}</translation>
    </message>
</context>
<context>
    <name>Verdict</name>
    <message>
        <source>CHECK CAMERA</source>
        <translation>カメラを確認</translation>
    </message>
    <message>
        <source>last: {part}</source>
        <translation>前回: {part}</translation>
    </message>
    <message>
        <source>WAITING</source>
        <translation>待機中</translation>
    </message>
    <message>
        <source>waiting for the next part</source>
        <translation>次のワークを待っています</translation>
    </message>
</context>
<context>
    <name>Words</name>
    <message>
        <source>RUNNING</source>
        <translation>運転中</translation>
    </message>
    <message>
        <source>STARTING</source>
        <translation>起動中</translation>
    </message>
    <message>
        <source>STOPPED</source>
        <translation>停止中</translation>
    </message>
    <message>
        <source>NO CAMERA</source>
        <translation>カメラなし</translation>
    </message>
    <message>
        <source>ERROR</source>
        <translation>異常</translation>
    </message>
    <message>
        <source>GOOD</source>
        <translation>良品</translation>
    </message>
    <message>
        <source>NG</source>
        <translation>NG</translation>
    </message>
    <message>
        <source>NO VERDICT</source>
        <translation>判定不能</translation>
    </message>
    <message>
        <source>unreadable picture</source>
        <translation>画像が読めません</translation>
    </message>
    <message>
        <source>black picture</source>
        <translation>画像が真っ黒です</translation>
    </message>
    <message>
        <source>saturated picture</source>
        <translation>画像が白飛びしています</translation>
    </message>
    <message>
        <source>covered picture</source>
        <translation>カメラが覆われています</translation>
    </message>
    <message>
        <source>blurred picture</source>
        <translation>画像がぼけています</translation>
    </message>
    <message>
        <source>light has changed</source>
        <translation>照明が変わりました</translation>
    </message>
    <message>
        <source>frozen picture</source>
        <translation>画像が更新されません</translation>
    </message>
    <message>
        <source>stale picture</source>
        <translation>画像が古すぎます</translation>
    </message>
    <message>
        <source>picture size changed</source>
        <translation>画像サイズが変わりました</translation>
    </message>
    <message>
        <source>part not found</source>
        <translation>ワークが見つかりません</translation>
    </message>
    <message>
        <source>unsure how the part lies</source>
        <translation>ワークの向きが分かりません</translation>
    </message>
    <message>
        <source>score is not a number</source>
        <translation>スコアを計算できません</translation>
    </message>
    <message>
        <source>model failed</source>
        <translation>モデルが動きません</translation>
    </message>
    <message>
        <source>part without a number</source>
        <translation>番号のないワークです</translation>
    </message>
    <message>
        <source>parts came faster than they could be inspected</source>
        <translation>ワークが検査より速く流れました</translation>
    </message>
    <message>
        <source>camera lost</source>
        <translation>カメラとの接続が切れました</translation>
    </message>
    <message>
        <source>result could not be recorded</source>
        <translation>結果を記録できません</translation>
    </message>
    <message>
        <source>CHECK CAMERA</source>
        <translation>カメラを確認</translation>
    </message>
    <message>
        <source>part {number}</source>
        <translation>ワーク {number}</translation>
    </message>
    <message>
        <source>yyyy-MM-dd</source>
        <translation>yyyy/MM/dd</translation>
    </message>
    <message>
        <source>on</source>
        <translation>オン</translation>
    </message>
    <message>
        <source>off</source>
        <translation>オフ</translation>
    </message>
    <message>
        <source>Heatmap</source>
        <translation>ヒートマップ</translation>
    </message>
    <message>
        <source>Nothing on it is stranger than on good parts.</source>
        <translation>良品と異なる箇所はありません。</translation>
    </message>
    <message>
        <source>The part as a whole is stranger than good parts are.</source>
        <translation>全体が良品と異なります。</translation>
    </message>
    <message>
        <source>Strangest {place}: {width} x {height} pixels look unlike good parts.</source>
        <translation>最大の異常は{place}、{width} x {height} 画素が良品と異なります。</translation>
    </message>
    <message>
        <source>in the middle</source>
        <translation>中央</translation>
    </message>
    <message>
        <source>at the top left</source>
        <translation>左上</translation>
    </message>
    <message>
        <source>at the top</source>
        <translation>上</translation>
    </message>
    <message>
        <source>at the top right</source>
        <translation>右上</translation>
    </message>
    <message>
        <source>at the left</source>
        <translation>左</translation>
    </message>
    <message>
        <source>at the right</source>
        <translation>右</translation>
    </message>
    <message>
        <source>at the bottom left</source>
        <translation>左下</translation>
    </message>
    <message>
        <source>at the bottom</source>
        <translation>下</translation>
    </message>
    <message>
        <source>at the bottom right</source>
        <translation>右下</translation>
    </message>
</context>
<context>
    <name>_Head</name>
    <message>
        <source>Line</source>
        <translation>ライン</translation>
    </message>
</context>
</TS>
